"""The commands of the studio, one module per kind. dgm_studio/cli.py puts them together."""
