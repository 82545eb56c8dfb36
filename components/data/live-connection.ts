import { CLOSE } from '@/server/contract/close-codes.ts'
import type { LiveClientMessage, LiveServerMessage } from '@/server/contract/live.ts'
import { Backoff } from '@/server/time/backoff.ts'

/** `stale`: nothing has been heard for 10 s or the socket is gone. `ended`: the session was revoked. */
export type LivePhase = 'connecting' | 'catching_up' | 'live' | 'stale' | 'ended'

export interface LiveStatus {
  phase: LivePhase
  /** Frames still to come while catching up. */
  behind: number
  /** Epoch ms (this browser's clock) at which the last frame arrived; null before the first. */
  heardAt: number | null
}

/** The part of a browser's WebSocket that is used; tests pass their own. */
export type Socket = Pick<
  WebSocket,
  'readyState' | 'send' | 'close' | 'onopen' | 'onmessage' | 'onclose' | 'onerror'
>

export interface LiveConnectionOptions {
  open: () => Socket
  onFrame: (frame: LiveServerMessage) => void
  /** Called once the session has ended (close code 4401). */
  onEnded: () => void
  /** Asks for the stream's current position, to count what is missing; may reject. Also shows whether the session still holds. */
  position: () => Promise<{ hub: string; seq: number } | null>
  now?: () => number
  random?: () => number
}

const OPEN = 1
export const SILENT_MS = 10_000
const CHECK_MS = 1000
/** Waits between attempts, so that a fleet of tabs does not come back at once. */
const RETRY = { baseMs: 500, maxMs: 15_000 }
const CATCH_UP_MAX_MS = 5000
const RELEASE_MS = 2000

/**
 * One tab's WebSocket to `/live`: topics by reference count, resume by `after`, heartbeat by the server's pings (a browser
 * cannot see protocol pings).
 */
export class LiveConnection {
  #options: LiveConnectionOptions
  #now: () => number
  #backoff: Backoff
  #socket: Socket | null = null
  #status: LiveStatus = { phase: 'connecting', behind: 0, heardAt: null }
  #listeners = new Set<() => void>()
  #topics = new Map<string, number>()
  #sent = new Set<string>()
  #after: { hub: string; seq: number } | null = null
  #target: number | null = null
  /** When the present socket was opened, or tried. */
  #openedAt = 0
  #started = false
  #retry: ReturnType<typeof setTimeout> | null = null
  #check: ReturnType<typeof setInterval> | null = null
  #catchUp: ReturnType<typeof setTimeout> | null = null

  constructor(options: LiveConnectionOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#backoff = new Backoff({ ...RETRY, ...(options.random ? { random: options.random } : {}) })
  }

  get status(): LiveStatus {
    return this.#status
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    this.#check = setInterval(() => this.#listen(), CHECK_MS)
    // A turn later, so that a start that is stopped at once (React's strict mode) opens no socket.
    this.#retry = setTimeout(() => this.#connect(), 0)
  }

  stop(): void {
    this.#started = false
    if (this.#retry) clearTimeout(this.#retry)
    if (this.#check) clearInterval(this.#check)
    if (this.#catchUp) clearTimeout(this.#catchUp)
    this.#drop()
  }

  /**
   * The tab is visible or the network is back: a waiting attempt is made now, and the next waits are short again. An open socket is left
   * alone; its own silence shows whether it lives.
   */
  wake(): void {
    if (!this.#started || this.#socket || this.#retry === null || this.#status.phase === 'ended') return
    clearTimeout(this.#retry)
    this.#backoff.reset()
    this.#connect()
  }

  /** The session has ended: nothing is tried until `restart`. */
  end(): void {
    this.stop()
    this.#set({ phase: 'ended', behind: 0 })
  }

  /** After signing in again. */
  restart(): void {
    this.stop()
    this.#backoff.reset()
    this.#set({ phase: 'connecting', behind: 0 })
    this.start()
  }

  /** Keeps a topic subscribed until the returned function is called; a page that follows within 2 s takes it over. */
  retain(topic: string): () => void {
    this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1)
    this.#subscribeNew()
    let released = false
    return () => {
      if (released) return
      released = true
      setTimeout(() => this.#release(topic), RELEASE_MS)
    }
  }

  #release(topic: string): void {
    const left = (this.#topics.get(topic) ?? 1) - 1
    if (left > 0) {
      this.#topics.set(topic, left)
      return
    }
    this.#topics.delete(topic)
    if (this.#sent.delete(topic)) this.#send({ type: 'unsubscribe', topics: [topic] })
  }

  #connect(): void {
    this.#retry = null
    if (!this.#started || this.#status.phase === 'ended') return
    const socket = this.#options.open()
    this.#socket = socket
    this.#openedAt = this.#now()
    socket.onopen = () => {
      this.#sent.clear()
      this.#set({ heardAt: this.#now() })
      if (this.#after) this.#beginCatchUp()
      this.#subscribeNew(true)
    }
    socket.onmessage = (event) => this.#receive(event.data)
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#lost(event.code)
    }
    // A close always follows an error; the close is what is acted on.
    socket.onerror = null
  }

  #beginCatchUp(): void {
    this.#target = null
    this.#set({ phase: 'catching_up', behind: 0 })
    this.#options
      .position()
      .then((position) => {
        if (!position || this.#status.phase !== 'catching_up') return
        if (position.hub !== this.#after?.hub) return
        this.#target = position.seq
        this.#progress()
      })
      // The socket itself shows whether the server is there; the count is all that is lost.
      .catch(() => undefined)
    if (this.#catchUp) clearTimeout(this.#catchUp)
    this.#catchUp = setTimeout(() => this.#caughtUp(), CATCH_UP_MAX_MS)
  }

  #progress(): void {
    if (this.#status.phase !== 'catching_up' || this.#target === null || !this.#after) return
    const behind = this.#target - this.#after.seq
    if (behind <= 0) this.#caughtUp()
    else this.#set({ behind })
  }

  #caughtUp(): void {
    if (this.#catchUp) clearTimeout(this.#catchUp)
    this.#catchUp = null
    this.#target = null
    if (this.#socket?.readyState === OPEN && this.#status.phase !== 'ended')
      this.#set({ phase: 'live', behind: 0 })
  }

  #subscribeNew(resume = false): void {
    if (this.#socket?.readyState !== OPEN) return
    const topics = [...this.#topics.keys()].filter((topic) => !this.#sent.has(topic)).slice(0, 64)
    if (topics.length === 0) return
    for (const topic of topics) this.#sent.add(topic)
    // Charts ask for whole steps when they have ended: samples would only be dropped here.
    const after = resume && this.#after ? { after: this.#after } : {}
    this.#send({ type: 'subscribe', topics, samples: false, ...after })
  }

  #send(message: LiveClientMessage): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message))
  }

  #receive(data: unknown): void {
    let frame: LiveServerMessage
    try {
      frame = JSON.parse(String(data)) as LiveServerMessage
    } catch {
      return // Not ours; the heartbeat decides whether the socket still is.
    }
    this.#backoff.reset()
    const wasStale = this.#status.phase === 'stale' || this.#status.phase === 'connecting'
    this.#set({ heardAt: this.#now(), ...(wasStale ? { phase: 'live' as const, behind: 0 } : {}) })
    if (frame.type === 'ping') {
      this.#send({ type: 'pong' })
      if (this.#status.phase === 'catching_up' && this.#target === null) this.#caughtUp()
      return
    }
    if (frame.type === 'error') return
    if (this.#after?.hub !== frame.hub) this.#after = { hub: frame.hub, seq: frame.seq }
    else if (frame.seq > this.#after.seq) this.#after = { hub: frame.hub, seq: frame.seq }
    this.#options.onFrame(frame)
    this.#progress()
  }

  #lost(code: number): void {
    this.#socket = null
    this.#sent.clear()
    if (code === CLOSE.not_authenticated) {
      this.#set({ phase: 'ended', behind: 0 })
      this.#options.onEnded()
      return
    }
    if (!this.#started) return
    this.#set({ phase: this.#status.heardAt === null ? 'connecting' : 'stale', behind: 0 })
    // A refused upgrade looks like any failure to a browser; asking for the position shows a session that has ended.
    if (this.#backoff.failures === 1) this.#options.position().catch(() => undefined)
    this.#retry = setTimeout(() => this.#connect(), this.#backoff.next())
  }

  /** A socket that says nothing for 10 s is treated as gone, whatever its state says. */
  #listen(): void {
    // A socket that still connects is counted from its own start: the silence of the one before is not its fault.
    const since = Math.max(this.#status.heardAt ?? 0, this.#openedAt)
    if (!this.#socket || this.#now() - since < SILENT_MS) return
    this.#drop()
    this.#lost(1006)
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = null
    if (!socket) return
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    socket.onerror = null
    socket.close()
  }

  #set(change: Partial<LiveStatus>): void {
    const next = { ...this.#status, ...change }
    const visible = next.phase !== this.#status.phase || next.behind !== this.#status.behind
    // The time alone is read once a second by those who show it; notifying everybody for every frame would render every frame.
    if (!visible) {
      this.#status.heardAt = next.heardAt
      return
    }
    this.#status = next
    for (const listener of this.#listeners) listener()
  }
}
