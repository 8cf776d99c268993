"""What studies show: tables, figures, and the page and the terminal that they are shown on."""
