"""Wi-Fi as an association: networks that are seen, who is let in, and how well it carries afterwards."""
