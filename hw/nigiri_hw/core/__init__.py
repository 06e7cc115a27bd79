"""The units of the accelerator, one file each."""
