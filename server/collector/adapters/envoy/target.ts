import type { Target } from '../adapter.ts'
import type { BasicAuth } from '../basic-auth.ts'

/** An Envoy; `url` is its administration interface. */
export interface EnvoyTarget extends Target {
  readonly kind: 'envoy'
  /** Listeners that are not counted, by the prefix of their statistics, for example one for health checks alone. */
  readonly keep?: readonly string[] | undefined
  /** Envoy asks nobody who they are; something in front of it may. */
  readonly auth?: BasicAuth | undefined
}
