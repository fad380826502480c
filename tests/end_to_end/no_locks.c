/* Preloaded, it makes every file system one without flock, as some mounts are. */
#include <errno.h>

int flock(int file, int operation) {
  (void)file;
  (void)operation;
  errno = ENOLCK;
  return -1;
}
