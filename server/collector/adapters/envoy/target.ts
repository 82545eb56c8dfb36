import type { Target } from '../adapter.ts'

/** An Envoy; `url` is its administration interface. */
export interface EnvoyTarget extends Target {
  readonly kind: 'envoy'
}
