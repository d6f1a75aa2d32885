"""Makes this folder an nbgrader course. What is set, and why: dalib_edu/instructor/course.py."""

from dalib_edu.instructor.course import configure

c = get_config()  # noqa: F821 - nbgrader defines it
configure(c)
