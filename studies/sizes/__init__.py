"""How accuracy changes at other image sizes than that of training: a network gets used to its share of padding."""
