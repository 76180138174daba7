# The shell itself dies of a signal: so must frng seem to.
echo before
kill -TERM $$
echo never
