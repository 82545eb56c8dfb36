import type { Target } from '../adapter.ts'

/** An HAProxy by its runtime API: the process, or one server behind it. */
export interface HaproxyTarget extends Target {
  readonly kind: 'haproxy'
  /** Unix socket of the runtime API, or its host and port: one of both. */
  readonly socket?: string | undefined
  readonly address?: string | undefined
  /** Both, where one server is the node. */
  readonly backend?: string | undefined
  readonly server?: string | undefined
  /** Frontends that a drain leaves open; default `stats`. */
  readonly keep?: readonly string[] | undefined
}
