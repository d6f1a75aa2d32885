"""The command line, ``dalib-edu``: each command is a thin door to one function of the package."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from dalib_edu.settings import UserError

app = typer.Typer(
    help="Tools of a course on domain adaptation and metric learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="Embedded worlds and real data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

STOPPED = 130  # as a shell says it of Ctrl-C
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of real data; by default DALIB_EDU_DATA.")
]
WORLDS = {
    "pictures": "everyday things in four styles, drawn from a seed (hw1 to hw3)",
    "digits": "house numbers, drawn from a seed, and scikit-learn's handwriting (hw4)",
    "characters": "letters of many alphabets by twenty hands, drawn from a seed (hw5)",
}
JobsOption = Annotated[int, typer.Option(min=1, help="Runs at a time, one thread each.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(help="A dask scheduler's address, or local:2; takes the place of --jobs."),
]


def main() -> None:
    """Run a command; a user's mistake becomes one line and exit status 1."""
    try:
        status = app(standalone_mode=False)
    except UserError as error:
        sys.exit(f"dalib-edu: {error}")
    except (typer.Abort, KeyboardInterrupt):
        status = STOPPED
    except BrokenPipeError:  # ... | head
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        # typer's own usage errors know how to show themselves and how to exit.
        if not hasattr(error, "exit_code"):
            raise
        error.show()
        status = error.exit_code
    if status == STOPPED:
        print("dalib-edu: stopped", file=sys.stderr)
    if status:
        sys.exit(status)


# --- for students -------------------------------------------------------------------------------


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Your folder; made if it is not there.")],
) -> None:
    """Copy the students' notebooks into a folder of yours; what is there already stays.

    Example: dalib-edu start work
    """
    from dalib_edu.instructor.build import find_root

    place = find_root() / "course" / "release"
    released = sorted(place.glob("hw*/*.ipynb"))
    if not released:
        raise UserError("course/release has no notebooks: run `dalib-edu build` first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in (*released, *sorted(place.glob("hw*/*_test_pictures.npz"))):
            copy = folder / file.name
            if copy.exists():
                print(f"kept     {copy}")
            else:
                shutil.copyfile(file, copy)
                print(f"new      {copy}")
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}") from None


@app.command()
def score(
    homework: Annotated[str, typer.Argument(help="hw1, hw2 or hw4.")],
    submission: Annotated[
        Path,
        typer.Argument(help="The CSV file: filename,class_name for hw1, id,label for the others."),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="The true labels, a CSV file of the same kind, such as "
            "course/private/hw2_labels.csv; by default those of the embedded test set."
        ),
    ] = None,
) -> None:
    """Score a file of predictions.

    Example: dalib-edu score hw2 submission.csv
    """
    from dalib_edu import scoring

    print(scoring.score(homework, submission, labels))


@app.command()
def doctor() -> None:
    """Say what this machine can and cannot do for the course, and how to mend it.

    Example: dalib-edu doctor
    """
    from dalib_edu.doctor import report

    if not report(print):
        raise typer.Exit(1)


# --- experiments --------------------------------------------------------------------------------


@app.command()
def run(
    homework: Annotated[str, typer.Argument(help="hw1 to hw5.")],
    scale: Annotated[str | None, typer.Option(help="embedded or full: the preset.")] = None,
    data: DataOption = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Labelled domain; hw1 takes several. By default the homework's."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Unlabelled domain; by default the homework's.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="May be given several times; by default source_only and adapted."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from the first.")] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="By default the preset's.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: another field of the preset; several times."),
    ] = None,
    jobs: JobsOption = 1,
    cluster: ClusterOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file.")
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="Draw the losses into this file (.png, .pdf).")
    ] = None,
) -> None:
    """Train source-only and adapted, over seeds, and compare the last checkpoints.

    Without --data on the embedded world; with it on real data, see `dalib-edu data list`.

    Examples:

    dalib-edu run hw2

    dalib-edu run hw2 --data PACS --source cartoon --target sketch --seeds 3

    dalib-edu run hw1 --source cartoon --source photo --target sketch --seeds 5 --jobs 2

    dalib-edu run hw3 --data PACS --target art_painting --set pretrained=false --set size=96

    dalib-edu run hw4 --data ~/data --source house_numbers --target MNIST --seeds 3
    """
    from dalib_edu.experiment import core

    core.report(
        homework,
        scale=scale,
        data=data,
        sources=source or (),
        target=target,
        methods=method or (),
        seeds=range(seed, seed + seeds),
        steps=steps,
        changes=changes or (),
        jobs=jobs,
        cluster=cluster,
        json_file=json_file,
        plot_file=plot_file,
    )


@app.command()
def validate(
    homework: Annotated[str, typer.Argument(help="hw3")],
    scale: Annotated[str | None, typer.Option(help="embedded or full: preset and grid.")] = None,
    data: DataOption = None,
    source: Annotated[str, typer.Option(help="Labelled domain.")] = "photo",
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Domain to choose on; several times. By default cartoon and sketch."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Domain to adapt to; by default the homework's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from the first.")] = 1,
    oracle: Annotated[
        bool, typer.Option(help="Also run every setting on the target, to see what it cost.")
    ] = True,
    jobs: JobsOption = 1,
    cluster: ClusterOption = None,
    results: Annotated[
        Path | None, typer.Option(help="Keep every finished run here, and go on from there.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file.")
    ] = None,
) -> None:
    """Choose hyper-parameters without target labels, by cross-domain validation.

    Example: dalib-edu validate hw3 --jobs 2 --results grid.jsonl
    """
    from dalib_edu.experiment import cross_domain, hw3

    if homework.split("_")[0] != "hw3":
        raise UserError(f"this command knows hw3, not {homework!r}")
    cross_domain.report(
        scale=scale,
        data=data,
        source=source,
        held_out=held_out or (),
        target=target or hw3.TARGET,
        seeds=range(seed, seed + seeds),
        oracle=oracle,
        jobs=jobs,
        cluster=cluster,
        results=results,
        json_file=json_file,
        command=" ".join(["dalib-edu", *sys.argv[1:]]),
    )


# --- data ---------------------------------------------------------------------------------------


@data_app.command("list")
def data_list(data: DataOption = None) -> None:
    """List the embedded worlds and the real data sets, and which of them are here.

    Example: dalib-edu data list --data ~/data
    """
    from dalib_edu.data import real

    print("embedded")
    for world, what in WORLDS.items():
        print(f"  {world:16s} always here: {what}")
    print("real")
    for row in real.list_datasets(data):
        print(f"  {row.dataset.name:16s} {row.state}: {row.dataset.what}")


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A name from `dalib-edu data list`.")],
    data: DataOption = None,
    archive: Annotated[
        Path | None, typer.Option(help="Unpack this .zip or .tar.gz instead of downloading.")
    ] = None,
) -> None:
    """Put a real data set into the data folder, whole or not at all.

    Example: dalib-edu data fetch PACS --archive PACS.tar.gz --data ~/data
    """
    from dalib_edu.data import real

    print(f"{name} lies in {real.fetch(name, data, archive=archive)}")


@data_app.command("export")
def data_export(
    layout: Annotated[str, typer.Argument(help="PACS, real_or_drawing, drawn_apart or SVHN.")],
    folder: Annotated[Path, typer.Argument(help="Must not exist, or be empty.")],
    per_class: Annotated[int | None, typer.Option(min=1, help="Pictures of each class.")] = None,
    size: Annotated[int, typer.Option(min=28, help="Pixels a side (PACS alone).")] = 227,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write the embedded pictures in the folder layout of a real data set.

    Example: dalib-edu data export PACS pictures/ --per-class 50
    """
    from dalib_edu.data import export

    wanted = {"seed": seed} | ({"per_class": per_class} if per_class else {})
    if layout.lower() == "pacs":
        export.export_pacs(folder, size=size, **wanted)
    elif layout.lower() == "real_or_drawing":
        labels = export.export_real_or_drawing(folder, **wanted)
        from dalib_edu.submit import write_submission

        # Beside the folder, not in it: students may get the one and not the other.
        beside = folder.with_name(folder.name + "_labels.csv")
        write_submission(beside, labels.tolist())
        print(f"the labels of the drawings: {beside}")
    elif layout.lower() == "drawn_apart":
        named = export.export_drawn_apart(folder, **wanted)
        from dalib_edu.submit import write_named_submission

        beside = folder.with_name(folder.name + "_labels.csv")
        write_named_submission(beside, list(named), list(named.values()))
        print(f"the classes of the test pictures: {beside}")
    elif layout.lower() == "svhn":
        from dalib_edu.data import digits

        digits.export_house_numbers(folder, **wanted)
    else:
        names = "PACS, real_or_drawing, drawn_apart and SVHN"
        raise UserError(f"the layouts are {names}, not {layout!r}")
    print(f"written: {folder}")


# --- for instructors and maintainers ------------------------------------------------------------


@app.command()
def build(
    homeworks: Annotated[list[str] | None, typer.Argument(help="By default all.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is stale.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Execute every solution again.")] = False,
    test_seed: Annotated[
        int | None,
        typer.Option(
            help="Build no notebook: draw test pictures of hw1 and hw2 from this secret number "
            "(16 digits or more), to hand out; their labels go to course/private."
        ),
    ] = None,
) -> None:
    """Make the students' notebooks and the executed solutions from course/source.

    Examples:

    dalib-edu build hw2

    dalib-edu build --test-seed $(python -c "import secrets; print(secrets.randbits(64))")
    """
    if test_seed is not None:
        from dalib_edu.instructor.secret_test import hand_out

        if check or force:
            raise UserError("--test-seed builds no notebook: leave --check and --force out")
        hand_out(test_seed, homeworks or None)
        return
    from dalib_edu.instructor.build import build as build_

    build_(homeworks or None, check=check, force=force)


@app.command()
def collect(
    archive: Annotated[
        Path, typer.Argument(readable=False, help="The zip file from Moodle or Canvas.")
    ],
    homework: Annotated[str, typer.Argument(help="Which homework was handed in.")],
    to: Annotated[Path, typer.Option(readable=False, help="Folder for the submissions.")],
) -> None:
    """Unpack the submissions that an LMS gives as one zip file.

    They take the place of what the same students handed in for this homework before.

    Example: dalib-edu collect hw2.zip hw2 --to submitted
    """
    from dalib_edu.instructor.build import find_root, homeworks_in
    from dalib_edu.instructor.intake import collect as collect_

    name = homeworks_in(find_root(), [homework])[0].name
    report = collect_(archive, name, to)
    for line in report.lines():
        print(line)
    states = list(report.students.values())
    counts = {state: states.count(state) for state in ("new", "replaced", "unchanged")}
    if not any(counts.values()):
        raise UserError(f"{archive}: nothing in it could be taken")
    parts = ", ".join(f"{count} {state}" for state, count in counts.items())
    print(f"{sum(counts.values())} submissions of {name} are in {to}: {parts}")


@app.command()
def grade(
    submissions: Annotated[Path, typer.Argument(help="Folder STUDENT/HOMEWORK/NOTEBOOK.ipynb.")],
    out: Annotated[Path, typer.Option(help="Folder for grades.csv and the feedback.")],
    unsandboxed: Annotated[
        bool, typer.Option("--unsandboxed", help="Run student code with your own rights.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions at a time.")] = 1,
    cluster: ClusterOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is graded already and has not changed.")
    ] = False,
) -> None:
    """Autograde a class: one status a submission, feedback pages, grades.csv.

    Example: dalib-edu grade course/submitted --out graded --jobs 4
    """
    from dalib_edu.instructor.grade import grade as grade_

    grade_(
        submissions,
        out,
        sandboxed=not unsandboxed,
        jobs=jobs,
        cluster=cluster,
        resume=resume,
    )


@app.command("return")
def return_(
    sheet: Annotated[Path, typer.Argument(help="Moodle's grading worksheet or Canvas's export.")],
    homework: Annotated[str, typer.Argument(help="Which homework to return.")],
    graded: Annotated[Path, typer.Option(help="The folder that 'dalib-edu grade' filled.")],
    column: Annotated[
        str | None,
        typer.Option(help="Header of the column to fill, where it is not found by itself."),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also where answers still wait for a person.")
    ] = False,
) -> None:
    """Fill an LMS's own sheet with the points, and pack the feedback pages for it.

    Example: dalib-edu return worksheet.csv hw2 --graded graded
    """
    from dalib_edu.instructor.build import find_root, homeworks_in
    from dalib_edu.instructor.give_back import give_back

    name = homeworks_in(find_root(), [homework])[0].name
    given = give_back(sheet, name, graded, column, unfinished)
    for line in given.notes:
        print(line)
    print(f"the points (of {given.most:g}) of {len(given.filled)} students are in {given.sheet}")
    if given.pages:
        print(f"their feedback pages are in {given.pages}")


@app.command()
def demo(
    homework: Annotated[str, typer.Option(help="Which homework to release.")] = "hw2",
    keep: Annotated[
        Path | None, typer.Option(help="A new folder for all of it; by default a temporary one.")
    ] = None,
) -> None:
    """Show the instructor's loop on a small class: release, autograde, feedback, grades.

    Example: dalib-edu demo --keep demo
    """
    from dalib_edu.instructor.demo import demo as demo_

    demo_(homework, keep=keep)


if __name__ == "__main__":
    main()
