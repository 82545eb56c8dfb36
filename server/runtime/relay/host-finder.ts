import type { IncomingMessage } from 'node:http'
import { AppError } from '../../contract/errors.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { DirectoryEntry } from '../directory/directory.ts'
import type { DirectoryLink } from './directory-link.ts'
import type { Exchange } from './exchanges.ts'
import { type FellowRelays, hopsOf } from './fellow-relays.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

/** How long a request waits for a host whose registration here is under way. */
const ARRIVAL_WAIT_MS = 1_000

export interface HostFinderOptions {
  /** The node of this relay. */
  node: string
  registry: TunnelRegistry
  directory: DirectoryLink
  fellows: FellowRelays
  /** From phase 2 of a drain on. */
  retiring(): boolean
}

export const isTunnel = (owner: Tunnel | DirectoryEntry): owner is Tunnel => 'streams' in owner

/** Where a request for a host goes: a tunnel of this relay, or another relay. */
export class HostFinder {
  readonly #options: HostFinderOptions

  constructor(options: HostFinderOptions) {
    this.#options = options
  }

  /**
   * A tunnel here, or the relay that owns the host. Throws `ERR_NOT_FOUND` for what is not a host id, `ERR_LOOP` for a request that was
   * passed on in vain, `ERR_DRAINING` or `ERR_HOST_OFFLINE` where there is neither.
   */
  async find(req: IncomingMessage, hostId: string, exchange: Exchange): Promise<Tunnel | DirectoryEntry> {
    const { node, registry, fellows } = this.#options
    if (!HOST_ID_PATTERN.test(hostId))
      throw new AppError('ERR_NOT_FOUND', 'Host ids match [a-z0-9-]{1,63}', {})
    const local = registry.get(hostId)
    if (local) return local
    const passed = hopsOf(req) > 0
    const fence = fellows.fenceOf(req)
    if (passed && fence === null) throw loop(hostId)
    const entry = await this.#lookup(hostId)
    // It may have registered here while the directory was asked, or be about to: the directory knows it before this relay does.
    const arrived =
      entry?.node === node ? await registry.arrival(hostId, ARRIVAL_WAIT_MS) : registry.get(hostId)
    if (arrived) return arrived
    if (entry === null) return await this.#findNowhere(hostId, exchange, passed)
    const ascends = fence === null || entry.fence > fence
    if (ascends && entry.node !== node && entry.internalUrl !== null) return entry
    if (passed) throw loop(hostId)
    throw offline(hostId, `registered at ${entry.node}, which cannot be reached from here`)
  }

  async #lookup(hostId: string): Promise<DirectoryEntry | null> {
    try {
      return await this.#options.directory.lookup(hostId)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw new AppError(
        'ERR_HOST_OFFLINE',
        `Host ${hostId} has no tunnel here, and the directory cannot be asked`,
        { hostId, reason: 'directory unreachable', cause },
      )
    }
  }

  /** The host is registered nowhere: its old tunnel here may still be up; otherwise the error says who had it last. */
  async #findNowhere(hostId: string, exchange: Exchange, passed: boolean): Promise<Tunnel> {
    const { node, registry, directory, retiring } = this.#options
    // Its old tunnel is still up: the relay to which it had moved lost it at once.
    const kept = registry.kept(hostId)
    if (kept) return kept
    const former = await directory.formerOwner(hostId)
    if (former === node && retiring()) {
      throw new AppError(
        'ERR_DRAINING',
        `This relay is draining; host ${hostId} has left it and is not registered elsewhere yet`,
        { hostId },
      )
    }
    exchange.formerOwner = former === node ? null : former
    throw passed ? loop(hostId) : offline(hostId, 'no tunnel')
  }
}

const loop = (hostId: string): AppError =>
  new AppError('ERR_LOOP', `Host ${hostId} has no tunnel here, and the request was passed on once already`, {
    hostId,
  })

const offline = (hostId: string, reason: string): AppError =>
  new AppError('ERR_HOST_OFFLINE', `Host ${hostId} has no tunnel at the moment`, { hostId, reason })
