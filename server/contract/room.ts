/**
 * Codes of what can be wrong with the control room itself. Where one holds, the verdict is `attention` at least; but for
 * `open_without_tls` and `config_needs_restart`, which are about how the room was set up.
 * `store_not_recording` the store cannot be written; `events_stand_still` events wait and are not stored; `events_dropped` events
 * were given up; `streams_stand_still` the events of a node are not read; `polls_late` polls begin late or not at all;
 * `network_lost` no node is reached, and the reason is most likely here; `detection_stands_still` conditions are not looked at;
 * `drains_stand_still` a drain is not driven; `live_stands_still` pages get nothing new; `clock_skew` a node's clock is wrong;
 * `hosts_overflow` there are more hosts than are kept; `store_rows_unreadable` rows of the database are left out; `open_without_tls` the
 * room is open to a network, with nothing known that encrypts; `config_refused` the configuration file has mistakes and is not in
 * force; `config_needs_restart` part of it takes effect at the next start; `notifications_failing` a channel takes no notifications.
 */
export const ROOM_PROBLEM_CODES = [
  'store_not_recording',
  'network_lost',
  'events_stand_still',
  'polls_late',
  'detection_stands_still',
  'drains_stand_still',
  'streams_stand_still',
  'live_stands_still',
  'events_dropped',
  'hosts_overflow',
  'clock_skew',
  'store_rows_unreadable',
  'notifications_failing',
  'open_without_tls',
  'config_refused',
  'config_needs_restart',
] as const
export type RoomProblemCode = (typeof ROOM_PROBLEM_CODES)[number]
