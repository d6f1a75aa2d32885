"""The instructor's side: build the notebooks, grade a class, show the whole loop."""
