import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { RelayHealth } from '../../contract/health.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { Directory } from '../directory/directory.ts'
import type { PartContext, Readiness } from '../part/part.ts'
import { destinationOf, pathOf, plainDomain } from './destination.ts'
import type { DirectoryLink } from './directory-link.ts'
import { type Exchange, Exchanges } from './exchanges.ts'
import { FellowRelays } from './fellow-relays.ts'
import { HostFinder } from './host-finder.ts'
import { HostTraffic } from './host-traffic.ts'
import { answerDraining, OwnAnswers } from './own-answers.ts'
import { answerJson, refusedUpgradeResponse } from './public-answer.ts'
import type { PublicHandler } from './public-listener.ts'
import { originForm, refusalOf } from './public-refusal.ts'
import { RequestFailures } from './request-failures.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

export interface PublicTrafficOptions {
  config: RelayConfig
  context: PartContext
  registry: TunnelRegistry
  directory: Directory
  /** The same, in this relay's own name. */
  link: DirectoryLink
  /** The relay has ended: what still arrives is refused. */
  stopped(): boolean
  readiness(): Readiness
  state(): NodeState
}

/** How long what was cut may take to be gone. Sockets end within their close grace; this is the limit for everything else. */
const CUT_CEILING_MS = 5_000

/** The public side of a relay: everything that arrives on its port goes to a host, to the tunnels, or is answered here. */
export class PublicTraffic implements PublicHandler {
  readonly #options: PublicTrafficOptions
  readonly #domain: string | undefined
  readonly #failures = new RequestFailures()
  readonly #exchanges: Exchanges
  readonly #hosts: HostTraffic
  readonly #own: OwnAnswers
  /** Answers that are under way, so that a drain can end their connections with them. */
  readonly #responses = new Set<ServerResponse>()

  constructor(options: PublicTrafficOptions) {
    this.#options = options
    const { config, context, registry, directory, link } = options
    this.#domain = plainDomain(config.domain)
    this.#exchanges = new Exchanges(({ failure, formerOwner }) => {
      if (failure !== null) this.#failures.count(failure, formerOwner)
    })
    const fellows = new FellowRelays(directory)
    this.#hosts = new HostTraffic({
      config,
      log: context.log,
      directory,
      fellows,
      finder: new HostFinder({
        node: context.node,
        registry,
        directory: link,
        fellows,
        retiring: () => this.#exchanges.retiring,
      }),
      exchanges: this.#exchanges,
      closing: () => this.#closing,
    })
    this.#own = new OwnAnswers({
      node: context.node,
      region: context.region,
      readiness: options.readiness,
      state: options.state,
      closing: () => this.#closing,
    })
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    const { log } = this.#options.context
    if (this.#closing) res.shouldKeepAlive = false
    this.#responses.add(res)
    res.once('close', () => this.#responses.delete(res))
    res.on('error', (error) => log.debug({ err: error }, 'a public response failed'))
    req.on('error', (error) => log.debug({ err: error }, 'a public request failed'))
    const refusal = refusalOf(req)
    if (refusal !== null) {
      answerJson(res, refusal.status, refusal.error.toBody(), true)
      return
    }
    const target = originForm(req) ?? '/'
    const destination = destinationOf(req, target, this.#domain)
    if (destination === null) this.#own.answer(req, res, pathOf(target))
    else if (this.#options.stopped()) answerDraining(res)
    else this.#contain(req.socket, this.#hosts.request(req, res, destination))
  }

  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const refusal = refusalOf(req)
    if (refusal !== null) {
      answerJson(refusedUpgradeResponse(req, socket), refusal.status, refusal.error.toBody(), true)
      return
    }
    const target = originForm(req) ?? '/'
    const destination = destinationOf(req, target, this.#domain)
    if (destination !== null) {
      if (this.#options.stopped()) answerDraining(refusedUpgradeResponse(req, socket))
      else this.#contain(socket, this.#hosts.upgrade(req, socket, head, destination))
    } else if (pathOf(target) === '/tunnel') this.#options.registry.accept(req, socket, head)
    else this.#own.answer(req, refusedUpgradeResponse(req, socket), pathOf(target))
  }

  /**
   * From phase 2 of a drain on, or no longer: everything is served, but answers end their connections, and what begins now is
   * not waited for unless it lasts.
   */
  retire(on: boolean): void {
    this.#exchanges.retiring = on
    if (on) for (const res of this.#responses) res.shouldKeepAlive = false
  }

  dispose(): void {
    this.#hosts.dispose()
  }

  counts(): Omit<RelayHealth['requests'], 'waiting'> {
    return {
      ...this.#hosts.counts(),
      pending: this.#exchanges.size,
      failed: this.#failures.byReason(),
      failedByFormerOwner: this.#failures.byFormerOwner(),
    }
  }

  inFlight(): { connections: number; requests: number } {
    return this.#exchanges.inFlight()
  }

  /** What a drain waits for. */
  outstanding(): { connections: number; requests: number } {
    return this.#exchanges.inFlight(({ holdsDrain }) => holdsDrain)
  }

  /** Resolves when nothing is in flight that a drain waits for (`Exchange.holdsDrain`), or when `signal` ends the wait. */
  async whenIdle(signal: AbortSignal): Promise<void> {
    await this.#exchanges.whenNone(({ holdsDrain }) => holdsDrain, signal)
  }

  /** Resolves when nothing at all is in flight, or when `signal` ends the wait. */
  async whenEmpty(signal: AbortSignal): Promise<void> {
    await this.#exchanges.whenNone(() => true, signal)
  }

  /** Cuts what is in flight, or only what a drain waits for, and resolves when it is gone. */
  async abortRest(which: 'all' | 'holding'): Promise<{ connections: number; requests: number }> {
    const chosen = new Set<Exchange>()
    const cut = this.#exchanges.cut(
      (exchange) => {
        if (which === 'holding' && !exchange.holdsDrain) return false
        chosen.add(exchange)
        return true
      },
      (error) => this.#options.context.log.error({ err: error }, 'a public exchange could not be cut'),
    )
    await this.#exchanges.whenNone((exchange) => chosen.has(exchange), AbortSignal.timeout(CUT_CEILING_MS))
    return cut
  }

  /** Answers end their connections, so that clients dial again, elsewhere. */
  get #closing(): boolean {
    return this.#exchanges.retiring || this.#options.stopped()
  }

  /** What a handler could not answer itself costs its connection. */
  #contain(socket: Socket, handled: Promise<void>): void {
    handled.catch((error: unknown) => {
      this.#options.context.log.error({ err: error }, 'a public request could not be handled')
      socket.destroy()
    })
  }
}
