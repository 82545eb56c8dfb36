import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import { CLOSE } from '../contract/close-codes.ts'
import type { Balancer, Seat } from './balancer.ts'
import { DEMO_HOSTS } from './demo-map.ts'

/** Name under which the demo's proxies serve HTTP. */
export const DEMO_DOMAIN = 'www.tidegate.demo'

/** Long-lived connections that each region's visitors keep, at most. */
const TCP_PER_REGION = 14
const WEB_SOCKETS_PER_REGION = 5
const HOST_WEB_SOCKETS_PER_REGION = 3
/** Share of them that is there at a region's quietest moment. */
const QUIET_SHARE = 0.6
const DAY_MS = 240_000

const VISIT_MS = [20_000, 90_000] as const
const PAUSE_MS = [300, 1_500] as const
/** Visitors of a node that is no longer ready leave within this, one after the other. */
const LEAVE_WITHIN_MS = 1_200
/** Those who talk to a host take their time: a drain moves the host's tunnel under them, which they do not notice. */
const LEAVE_HOST_WITHIN_MS = 5_000
const HANDSHAKE_TIMEOUT_MS = 5_000
const END_TIMEOUT_MS = 2_000

const between = ([from, to]: readonly [number, number]): number => from + Math.random() * (to - from)

/** One long-lived connection; `leave` ends it gently, `cut` at once. */
interface Visit {
  node: string
  leavesWithinMs: number
  leave(): void
  cut(): void
}

/**
 * The people of the demo: TCP echo connections, WebSockets through proxies and to hosts, and HTTP requests, steady and modest.
 * Each belongs to a region and goes to a node that the balancer calls ready.
 */
export class Visitors {
  readonly #balancer: Balancer
  readonly #nodeOfHost: (hostId: string) => string | null
  readonly #visits = new Set<Visit>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #intervals: NodeJS.Timeout[] = []
  #regions: string[] = []
  #stopped = false

  constructor(balancer: Balancer, nodeOfHost: (hostId: string) => string | null) {
    this.#balancer = balancer
    this.#nodeOfHost = nodeOfHost
  }

  begin(): void {
    this.#regions = [...new Set(this.#balancer.seats().map((seat) => seat.node.region))]
    this.#balancer.onLeaving((node) => {
      for (const visit of this.#visits) {
        if (visit.node === node) this.#after(Math.random() * visit.leavesWithinMs, () => visit.leave())
      }
    })
    this.#regions.forEach((region, index) => {
      const kinds: [number, (region: string, ended: () => void) => Visit | null][] = [
        [TCP_PER_REGION, (from, ended) => this.#talkTcp(from, ended)],
        [WEB_SOCKETS_PER_REGION, (from, ended) => this.#talkThroughProxy(from, ended)],
        [HOST_WEB_SOCKETS_PER_REGION, (_from, ended) => this.#talkToHost(ended)],
      ]
      for (const [most, open] of kinds) {
        for (let place = 0; place < most; place++) {
          this.#after(Math.random() * 3_000, () => this.#keepVisiting(region, index, place / most, open))
        }
      }
      this.#every(220, () => void this.#ask(region, 'proxy'))
      this.#every(280, () => void this.#ask(region, 'host'))
      this.#every(1_500, () => this.#shortVisit(region))
    })
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const interval of this.#intervals) clearInterval(interval)
    this.#timers.clear()
    for (const visit of [...this.#visits]) visit.cut()
  }

  /** Each region has its own time of day, so that the charts of three regions differ. */
  #presence(regionIndex: number): number {
    const phase = (Date.now() / DAY_MS + regionIndex / Math.max(1, this.#regions.length)) * 2 * Math.PI
    return QUIET_SHARE + ((1 - QUIET_SHARE) * (1 + Math.sin(phase))) / 2
  }

  #keepVisiting(
    region: string,
    regionIndex: number,
    rank: number,
    open: (region: string, ended: () => void) => Visit | null,
  ): void {
    if (this.#stopped) return
    const again = (ms: number): void =>
      this.#after(ms, () => this.#keepVisiting(region, regionIndex, rank, open))
    if (rank >= this.#presence(regionIndex)) {
      again(5_000)
      return
    }
    let over = false
    const visit = open(region, () => {
      if (over) return
      over = true
      this.#visits.delete(visit as Visit)
      again(between(PAUSE_MS))
    })
    if (!visit) {
      again(1_000)
      return
    }
    this.#visits.add(visit)
    this.#after(between(VISIT_MS), () => {
      if (!over) visit.leave()
    })
  }

  #talkTcp(region: string, ended: () => void): Visit | null {
    const seat = this.#balancer.pick(region)
    if (!seat) return null
    const socket = this.#dial(seat)
    const talk = this.#repeat(PAUSE_MS, () => {
      if (socket.writable) socket.write(Buffer.alloc(64 + Math.floor(Math.random() * 1_400), 'e'))
    })
    socket.on('close', () => {
      talk.stop()
      ended()
    })
    return {
      node: seat.node.id,
      leavesWithinMs: LEAVE_WITHIN_MS,
      leave: () => {
        talk.stop()
        this.#end(socket)
      },
      cut: () => socket.destroy(),
    }
  }

  #shortVisit(region: string): void {
    const seat = this.#balancer.pick(region)
    if (!seat) return
    const socket = this.#dial(seat)
    const visit: Visit = {
      node: seat.node.id,
      leavesWithinMs: LEAVE_WITHIN_MS,
      leave: () => this.#end(socket),
      cut: () => socket.destroy(),
    }
    this.#visits.add(visit)
    socket.on('close', () => this.#visits.delete(visit))
    socket.write('hello')
    socket.once('data', () => this.#end(socket))
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => socket.destroy())
  }

  #dial(seat: Seat): Socket {
    const socket = connect({ host: '127.0.0.1', port: seat.node.tcpPort, noDelay: true })
    socket.on('error', () => socket.destroy()) // a node that was killed, or a port given back
    socket.resume()
    return socket
  }

  #end(socket: Socket): void {
    socket.end()
    socket.setTimeout(END_TIMEOUT_MS, () => socket.destroy())
  }

  #talkThroughProxy(region: string, ended: () => void): Visit | null {
    const seat = this.#balancer.pick(region)
    if (!seat) return null
    return this.#talkWebSocket(seat, `ws://127.0.0.1:${seat.node.httpPort}/live`, LEAVE_WITHIN_MS, ended)
  }

  /** To the relay that holds the host's tunnel. */
  #talkToHost(ended: () => void): Visit | null {
    const hostId = DEMO_HOSTS[Math.floor(Math.random() * DEMO_HOSTS.length)] ?? ''
    const seat = this.#balancer.seat(this.#nodeOfHost(hostId) ?? '')
    if (!seat?.ready) return null
    const url = `ws://127.0.0.1:${seat.node.relayPort}/hosts/${hostId}/live`
    return this.#talkWebSocket(seat, url, LEAVE_HOST_WITHIN_MS, ended)
  }

  #talkWebSocket(seat: Seat, url: string, leavesWithinMs: number, ended: () => void): Visit {
    const webSocket = new WebSocket(url, {
      headers: { host: DEMO_DOMAIN },
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      perMessageDeflate: false,
      maxPayload: 64 * 1024,
    })
    const talk = this.#repeat(PAUSE_MS, () => {
      if (webSocket.readyState === WebSocket.OPEN)
        webSocket.send('tide '.repeat(1 + Math.floor(Math.random() * 60)))
    })
    webSocket.on('error', () => webSocket.terminate())
    webSocket.on('close', () => {
      talk.stop()
      ended()
    })
    return {
      node: seat.node.id,
      leavesWithinMs,
      leave: () => {
        talk.stop()
        if (webSocket.readyState !== WebSocket.OPEN) {
          webSocket.terminate()
          return
        }
        webSocket.close(CLOSE.normal)
        this.#after(END_TIMEOUT_MS, () => webSocket.terminate())
      },
      cut: () => webSocket.terminate(),
    }
  }

  async #ask(region: string, what: 'proxy' | 'host'): Promise<void> {
    const seat = this.#balancer.pick(region)
    const pool = what === 'proxy' ? seat?.proxy : seat?.relay
    if (!pool) return
    const hostId = DEMO_HOSTS[Math.floor(Math.random() * DEMO_HOSTS.length)] ?? ''
    try {
      const answer = await pool.request({
        method: 'GET',
        path: what === 'proxy' ? '/page' : `/hosts/${hostId}/page`,
        headers: { host: DEMO_DOMAIN },
      })
      await answer.body.dump()
    } catch {
      // The node shows what failed; a visitor just comes again.
    }
  }

  #repeat(pause: readonly [number, number], run: () => void): { stop(): void } {
    let stopped = false
    const next = (): void => {
      if (stopped) return
      this.#after(between(pause), () => {
        if (stopped) return
        run()
        next()
      })
    }
    next()
    return {
      stop: () => {
        stopped = true
      },
    }
  }

  #after(ms: number, run: () => void): void {
    if (this.#stopped) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
  }

  #every(ms: number, run: () => void): void {
    this.#intervals.push(setInterval(run, ms))
  }
}
