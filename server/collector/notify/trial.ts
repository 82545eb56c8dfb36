import { AppError } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { NotificationChange, Store, StoredNotification } from '../../store/store.ts'
import { testMessage } from './channels/message.ts'
import type { Lane } from './lane.ts'
import type { Ledger } from './ledger.ts'
import { newRow } from './new-row.ts'

export interface TrialOptions {
  store: Pick<Store, 'addNotification' | 'claimNotification'>
  ledger: Ledger
  log: Log
  /** Wall clock, epoch ms. */
  now: () => number
  url: string
  owner: string
  times: { attemptMs: number; leaseMs: number }
}

/** One test of a channel that an administrator asks for: now, whatever else waits, and once. */
export class Trial {
  readonly #options: TrialOptions

  constructor(options: TrialOptions) {
    this.#options = options
  }

  /** What the receiver said. Throws `ERR_CONFLICT` where the channel is busy. */
  async run(lane: Lane, actor: string): Promise<{ row: StoredNotification; answer: string | null }> {
    const { store, ledger, now, url, owner, log, times } = this.#options
    const { name, kind } = lane.config
    const at = now()
    const row = newRow({ channel: name, kind: 'test', incidentId: null }, `test by ${actor}`, {
      now: at,
      due: at,
    })
    const { id } = row
    if (lane.isBusy)
      throw new AppError('ERR_CONFLICT', `A message is on its way by ${name}; try again in a few seconds`, {
        id: name,
      })
    lane.isBusy = true
    try {
      await store.addNotification(row)
      const message = testMessage({ id, channel: name, now: at, url }, kind, actor)
      const claim = { id, owner, now: at, leaseMs: times.leaseMs, message: JSON.stringify(message) }
      if (!(await store.claimNotification(claim)))
        throw new AppError('ERR_CONFLICT', 'Another collector took the test', { id })
      const outcome = await lane.attempt(message, times.attemptMs, log)
      lane.saw(outcome, now())
      const isSent = outcome.state === 'sent'
      const change: Omit<NotificationChange, 'id'> = {
        state: isSent ? 'sent' : 'failed',
        nextAttemptAt: null,
        lastError: isSent ? null : outcome.error,
        sentAt: isSent ? now() : null,
      }
      if (isSent) lane.figures.sent += 1
      else lane.figures.failed += 1
      await ledger.settle(row, change)
      log.info({ channel: name, state: change.state }, 'a notification was tried')
      return { row: { ...row, ...change, attempts: 1 }, answer: outcome.answer }
    } finally {
      lane.isBusy = false
    }
  }
}
