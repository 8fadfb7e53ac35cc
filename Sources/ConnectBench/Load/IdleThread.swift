#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Work that must not take processors from what is measured beside it.
enum IdleThread {
  /// Has the calling thread run only when no other one wants its processor, for good.
  ///
  /// A system that refuses lets it run as before, and the measurement counts its work.
  static func begin() {
    #if canImport(Darwin)
      _ = pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 0)
    #else
      // SCHED_IDLE, a macro of <sched.h> that is not imported. 0 is the calling thread.
      let idle: Int32 = 5
      var parameters = sched_param()
      _ = sched_setscheduler(0, idle, &parameters)
    #endif
  }
}
