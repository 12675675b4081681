"""Show what was measured on one page of HTML that needs no network: of a run, of several, of a learning curve."""
