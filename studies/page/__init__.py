"""Tables and figures of the studies, and the page and the terminal that show them."""
