"""Fault injection: processes killed at chosen moments, disks that are full or read-only, clocks that jump."""
