//! What exec does to credentials: `security/commoncap.c`, execve(2).
