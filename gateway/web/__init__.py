"""What people look at: the page at `/`, its TypeScript sources, and the files built from them."""
