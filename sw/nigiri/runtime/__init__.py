"""The driver and the device interface that golden model, simulated hardware and boards share."""
