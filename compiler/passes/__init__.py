"""One file per pass; the order stands in compiler/pipeline.py."""
