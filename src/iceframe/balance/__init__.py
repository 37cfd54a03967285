"""From Evidence to Equilibrium: pure functions that know no framework and do no I/O."""
