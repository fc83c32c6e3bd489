"""CoAP: messages as bytes, a server of small resources, observers."""
