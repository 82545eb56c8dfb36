import { CLOSE } from '../../contract/close-codes.ts'
import type { AppError } from '../../contract/errors.ts'
import type { RelayFailure } from '../../contract/health.ts'
import type { ResetCode } from '../tunnel/frames.ts'
import type { Tunnel } from './tunnel.ts'

/** How many former owners have a count of their own; the rest is counted together. */
const MAX_FORMER_OWNERS = 64

/** Why a request that this relay refused failed; null where it was the visitor's mistake. */
export const failureOfError = ({ code }: AppError): RelayFailure | null => {
  switch (code) {
    case 'ERR_HOST_OFFLINE':
      return 'offline'
    case 'ERR_DRAINING':
      return 'draining'
    case 'ERR_TUNNEL_BUSY':
      return 'busy'
    case 'ERR_LOOP':
      return 'loop'
    case 'ERR_INTERNAL':
      return 'internal'
    default:
      return null
  }
}

/** Why a request failed whose stream ended before its time; null where the visitor ended it. */
export const failureOfReset = (code: ResetCode, tunnel: Tunnel): RelayFailure | null => {
  switch (code) {
    case 'client_gone':
      return null
    case 'host_busy':
      return 'busy'
    case 'timeout':
      return 'timeout'
    case 'draining':
      return 'draining'
    case 'tunnel_gone':
      return tunnel.wasTold && tunnel.endCode === CLOSE.drain ? 'draining' : 'tunnel_lost'
    default:
      return 'target'
  }
}

/** Counts of public requests that got no answer from their host. */
export class RequestFailures {
  readonly #byReason: Partial<Record<RelayFailure, number>> = {}
  readonly #byFormerOwner: Record<string, number> = Object.create(null) as Record<string, number>

  /** `formerOwner`: another node that owned the host last, where the host is registered nowhere now or there in vain. */
  count(reason: RelayFailure, formerOwner: string | null): void {
    this.#byReason[reason] = (this.#byReason[reason] ?? 0) + 1
    if (formerOwner === null) return
    const known = this.#byFormerOwner[formerOwner]
    const room = Object.keys(this.#byFormerOwner).length < MAX_FORMER_OWNERS
    const key = known !== undefined || room ? formerOwner : 'other'
    this.#byFormerOwner[key] = (this.#byFormerOwner[key] ?? 0) + 1
  }

  byReason(): Record<string, number> {
    return { ...this.#byReason }
  }

  byFormerOwner(): Record<string, number> {
    return { ...this.#byFormerOwner }
  }
}
