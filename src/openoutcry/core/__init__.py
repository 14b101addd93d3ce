"""The pure core: values in, values out; no await, no clock, no environment, no I/O."""
