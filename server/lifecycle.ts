import { isatty } from 'node:tty'
import type { Log } from './observe/log.ts'
import { within } from './time/deadline.ts'

interface Room {
  name: string
  close: () => Promise<unknown> | unknown
}

/** Rooms in the order in which they were opened; closed in reverse, each awaited, none able to stop the others from closing. */
export class OpenRooms {
  readonly #rooms: Room[] = []
  readonly #log: Log
  readonly #closeTimeoutMs: number

  constructor(log: Log, closeTimeoutMs = 10_000) {
    this.#log = log
    this.#closeTimeoutMs = closeTimeoutMs
  }

  add(name: string, close: Room['close']): void {
    this.#rooms.push({ name, close })
  }

  /** Closes all; returns the names of those that failed or did not end in time. */
  async closeAll(): Promise<string[]> {
    const failed: string[] = []
    for (let room = this.#rooms.pop(); room !== undefined; room = this.#rooms.pop()) {
      try {
        await within(this.#closeTimeoutMs, async () => room.close())
      } catch (error) {
        failed.push(room.name)
        this.#log.error({ room: room.name, err: error }, `${room.name} did not close cleanly`)
      }
    }
    return failed
  }
}

/** True while one of the standard streams is a terminal that is still there. */
const hasTerminal = (): boolean => [0, 1, 2].some((descriptor) => isatty(descriptor))

/**
 * Listens for the wish to stop: SIGTERM, SIGINT, SIGHUP, or the death of the launcher (its channel closes). A second signal is ignored:
 * sent to a process group, each arrives more than once. Where `onHangUp` says so, SIGHUP does not mean to stop.
 */
export class StopWish {
  readonly asked: Promise<string>
  readonly #ask: (reason: string) => void
  readonly #hadTerminal = hasTerminal()
  readonly #onDisconnect = (): void => this.ask('the launcher is gone')
  #isAsked = false
  /** Undefined while it is not known what a SIGHUP means; null where it means to stop. */
  #hungUp: (() => void) | null | undefined
  #hangsUp = false

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.asked = promise
    this.#ask = resolve
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.ask(signal))
    process.on('SIGHUP', () => this.#onSighup())
    if (process.connected) process.on('disconnect', this.#onDisconnect)
  }

  /** True once a stop was requested. */
  get isAsked(): boolean {
    return this.#isAsked
  }

  /** Requests a stop from inside, for example because an error escaped. */
  ask(reason: string): void {
    this.#isAsked = true
    this.#ask(reason)
  }

  /**
   * Says what SIGHUP means from now on: `listener` is called, or, where it is null, it is a wish to stop. One that came before is
   * taken the same way. A terminal that closes sends SIGHUP too: to a process that had one and has lost it, it is a wish to stop.
   */
  onHangUp(listener: (() => void) | null): void {
    this.#hungUp = listener
    if (this.#hangsUp) this.#onSighup()
  }

  release(): void {
    // Signals stay ignored to the very end; only the channel's listener would keep the process alive.
    process.off('disconnect', this.#onDisconnect)
  }

  #onSighup(): void {
    if (this.#hadTerminal && !hasTerminal()) this.ask('the terminal is gone')
    else if (this.#hungUp === undefined) this.#hangsUp = true
    else if (this.#hungUp === null) this.ask('SIGHUP')
    else if (!this.#isAsked) this.#hungUp()
  }
}

/**
 * For commands that end by SIGTERM: they end the same way when their launcher dies without a word (SIGKILL), which closes the channel to
 * it. Otherwise nothing would ever stop them.
 */
export const stopWithLauncher = (): void => {
  if (process.connected) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}

/** Says each second how many seconds of a budget remain, until the work is done. */
export const countDown = async <T>(
  work: Promise<T>,
  budgetSeconds: number,
  say: (remaining: number) => void,
): Promise<T> => {
  const endsAt = Date.now() + budgetSeconds * 1_000
  const timer = setInterval(() => say(Math.max(0, Math.ceil((endsAt - Date.now()) / 1_000))), 1_000)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
