"""The Nigiri accelerator in Amaranth."""
