"""What a site is: frozen values without behaviour."""
