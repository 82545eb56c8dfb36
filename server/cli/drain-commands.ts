import { setTimeout as sleep } from 'node:timers/promises'
import { drainStateRule } from '../contract/drain-rules.ts'
import type { Drain, DrainAction, DrainPlan, Strategy } from '../contract/drains.ts'
import { AppError } from '../contract/errors.ts'
import type { Overview } from '../contract/fleet.ts'
import type { Page } from '../contract/ids.ts'
import { DRAIN_WORDS } from '../contract/state-words.ts'
import type { ApiClient } from './api-client.ts'
import { planText, progressText, reportText } from './drain-text.ts'
import { EXIT } from './exit-codes.ts'
import { answer, print, table } from './output.ts'
import { SpokenProgress } from './spoken-progress.ts'

export interface DrainOptions {
  reason: string
  node?: boolean
  force?: boolean
  preview?: boolean
  deadline?: string
  onDeadline?: Strategy['onDeadline']
  pace?: string
  follow: boolean
  json: boolean
}

/** This many requests in a row may fail while a drain is followed: a collector that restarts is away for some seconds. */
const MISSED_ANSWERS = 40

/** `tidegate drain REGION --reason …`: prints the plan, starts the drain, and follows it until it is proven empty. */
export const drainCommand = async (api: ApiClient, id: string, options: DrainOptions): Promise<number> => {
  const subject = options.node === true ? { node: id } : { region: id }
  const strategy: Partial<Strategy> = {
    ...(options.deadline === undefined ? {} : { deadlineSeconds: Number(options.deadline) }),
    ...(options.onDeadline === undefined ? {} : { onDeadline: options.onDeadline }),
    ...(options.pace === undefined ? {} : { tunnelsPerSecond: Number(options.pace) }),
  }
  const plan = await api.post<DrainPlan>('/drains/preview', { ...subject, strategy })
  if (options.preview === true) {
    answer(options.json, plan, () => planText(id, plan))
    return plan.blockers.length > 0 ? EXIT.conflict : EXIT.ok
  }
  if (!options.json) print(planText(id, plan))
  const drain = await api.post<Drain>('/drains', {
    ...subject,
    reason: options.reason,
    strategy,
    confirm: id,
    ...(options.force === true ? { force: true } : {}),
  })
  if (!options.follow) {
    answer(options.json, drain, () => `Drain ${drain.id} is ${DRAIN_WORDS[drain.state]}`)
    return EXIT.ok
  }
  return follow(api, drain.id, options.json)
}

/** Prints each change of a drain, and a line every half minute where only numbers move, until it has ended; the drain itself does not depend on this. */
export const follow = async (api: ApiClient, id: string, json: boolean): Promise<number> => {
  const spoken = new SpokenProgress()
  let missed = 0
  for (;;) {
    const drain = await api.get<Drain>(`/drains/${encodeURIComponent(id)}`).catch((error: unknown) => {
      missed += 1
      if (!isAway(error) || missed > MISSED_ANSWERS) throw error
      return null
    })
    if (drain === null) {
      if (missed === 1 && !json) print('The collector does not answer; the drain itself goes on')
      await sleep(500)
      continue
    }
    missed = 0
    const line = spoken.next(drain, performance.now())
    if (line !== null && !json) print(line)
    if (drainStateRule(drain).rests) {
      answer(json, drain, () => reportText(drain))
      return drain.state === 'drained' || drain.state === 'resumed' ? EXIT.ok : EXIT.drainEnded
    }
    await sleep(500)
  }
}

export const drainsCommand = async (api: ApiClient, json: boolean): Promise<number> => {
  const page = await api.get<Page<Drain>>('/drains')
  answer(json, page, () =>
    page.items.length === 0
      ? 'No drain yet'
      : table(
          ['id', 'of', 'state', 'created', 'by', 'reason'],
          page.items.map((drain) => [
            drain.id,
            drain.region ?? drain.node ?? '',
            DRAIN_WORDS[drain.state],
            drain.createdAt,
            drain.createdBy,
            drain.reason,
          ]),
        ),
  )
  return EXIT.ok
}

export const showDrainCommand = async (api: ApiClient, id: string, json: boolean): Promise<number> => {
  const drain = await api.get<Drain>(`/drains/${encodeURIComponent(id)}`)
  answer(json, drain, () => `${progressText(drain)}\n${reportText(drain)}`)
  return EXIT.ok
}

const isAway = (error: unknown): boolean =>
  error instanceof AppError &&
  ['ERR_NODE_UNREACHABLE', 'ERR_STARTING', 'ERR_STORE_UNAVAILABLE'].includes(error.code)

/** The drain with this id, or the one that is active in, or still holds, this region or node. */
const findDrain = async (api: ApiClient, name: string): Promise<string> => {
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/.test(name)) return name
  const { drains, held } = await api.get<Overview>('/overview')
  const isOf = (part: { region?: string; node?: string }) => part.region === name || part.node === name
  const id = drains.find(isOf)?.id ?? held.findLast(isOf)?.drainId
  if (id === undefined)
    throw new AppError('ERR_NOT_FOUND', `No drain of ${name} is active or holds it`, { name })
  return id
}

/**
 * abort, resume, pause and continue, by the drain's id or the region or node it has: sends the version just seen, so that a change by
 * somebody else is not overruled.
 */
export const steerDrainCommand = async (
  api: ApiClient,
  name: string,
  action: DrainAction,
  end: string | undefined,
  json: boolean,
): Promise<number> => {
  const id = await findDrain(api, name)
  const path = `/drains/${encodeURIComponent(id)}`
  const { version } = await api.get<Drain>(path)
  const drain = await api.post<Drain>(`${path}/${action}`, { version, ...(end === undefined ? {} : { end }) })
  if (action === 'abort' || action === 'resume') {
    const last = await waitForEnd(api, drain.id)
    answer(json, last, () => reportText(last))
    return last.state === 'failed' ? EXIT.drainEnded : EXIT.ok
  }
  answer(json, drain, () => progressText(drain))
  return EXIT.ok
}

const waitForEnd = async (api: ApiClient, id: string): Promise<Drain> => {
  for (;;) {
    const drain = await api.get<Drain>(`/drains/${encodeURIComponent(id)}`)
    if (!drainStateRule(drain).givesBack) return drain
    await sleep(300)
  }
}
