"""A static site about what is published: pages for people, indexes for programs, feeds."""
