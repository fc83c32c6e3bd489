"""Serial buses on the real kernel: a process that plays each cable, and programs and terminals at its drops."""
