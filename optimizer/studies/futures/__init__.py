"""Plans of instances with several futures, and studies of them."""
