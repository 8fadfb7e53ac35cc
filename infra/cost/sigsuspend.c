/* For programs under valgrind 3.19, which writes into the mask of signals that a program gives to sigsuspend, and
   crashes where that is read-only, as libdispatch's is. The mask is copied first. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
  sigset_t copy = *mask;
  /* The kernel's masks have 8 bytes. */
  return (int)syscall(SYS_rt_sigsuspend, &copy, 8);
}
