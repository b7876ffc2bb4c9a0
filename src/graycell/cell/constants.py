"""Constants of nature in rate laws and formulas."""

GAS_CONSTANT = 8.31446261815324
"""[J/mol/K] CODATA 2018, exact."""
ZERO_CELSIUS = 273.15
"""[K]"""
