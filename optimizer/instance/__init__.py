"""What an instance says (`schema`), how plain data become one (`reading`), and changes of it."""
