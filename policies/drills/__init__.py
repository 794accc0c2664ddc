"""Scripts of drills: texters to practise with, as data. Reading a script is the only I/O."""
