import type { ObservedState } from '../../contract/index.ts'
import type { Reading } from '../adapters/reading.ts'

/** Counts and factors by which polls become states. */
export interface JudgeThresholds {
  /** Good polls in a row that bring a node back, or agree on a change between up and degraded. */
  rise: number
  /** Bad polls in a row that make it down. */
  fall: number
  /** A poll is slow above this multiple of the node's own median … */
  slowFactor: number
  /** … and above this many milliseconds. */
  slowMs: number
  /** Above this many milliseconds a poll is slow whatever the node's median. */
  slowAlwaysMs: number
}

export const JUDGE_DEFAULTS: JudgeThresholds = {
  rise: 2,
  fall: 3,
  slowFactor: 4,
  slowMs: 500,
  slowAlwaysMs: 2_000,
}

/** What is held of a node, and the counts on the way to a change. */
export interface Judgement {
  state: ObservedState
  /** Since when `state` holds, epoch ms. */
  since: number
  /** Consecutive bad polls, how many of them stayed without any answer, and when the first of them began. */
  bad: number
  silent: number
  badSince: number | null
  /** Consecutive polls that found the node serving. */
  serving: number
  /** Consecutive polls that agree on `candidate`. */
  agree: number
  candidate: 'up' | 'degraded' | null
  epoch: string | null
  /** True for the one judgement that saw a new epoch: the process restarted. */
  restarted: boolean
  problems: string[]
  /** Durations of recent good polls that were not slow, the node's own baseline, in ms. */
  baseline: number[]
  /** The newest polls since it was last down, oldest first: true for a bad one. */
  recent: boolean[]
  /** Bad polls come between good ones, again and again. */
  flapping: boolean
  /** The share of polls that were lost on the way lately, one here and there: those of an outage are none of them. */
  lossRate: number
  /** Polls by which that is known, up to `LOSS_MEMORY`. */
  asked: number
  /** It is lost so often that the way there cannot be relied on. */
  lossy: boolean
}

const BASELINE_SIZE = 31
const BASELINE_NEEDED = 5
/** A node flaps from three bad ones in so many polls on, until fewer than two are left in them. */
const FLAP_WINDOW = 9
const FLAP_BEGINS = 3
const FLAP_ENDS = 2
/** Where polls are lost now and then anyway, three in nine are nothing unusual. */
const LOSSY_FLAP_BEGINS = 5
const LOSSY_FLAP_ENDS = 3

/** Polls over which losses are remembered. */
const LOSS_MEMORY = 200
/** A share of so few polls is chance. */
export const LOSS_NEEDED = 40
/** Below this a poll without an answer is news, whatever was lost before. */
const LOSS_NOTED = 0.002
/** From here on losses are usual … */
const LOSS_USUAL = 0.01
/** … and from here on the way is degraded, until it is better than the second. */
const LOSSY_BEGINS = 0.1
const LOSSY_ENDS = 0.07
/** A row of losses that chance makes less often than this is none: a false alarm of eight nodes in months, not each hour. */
const CHANCE = 1e-7
/** However many polls are lost: so many times `fall` in a row are an outage, or a real one would be told too late. */
const MOST_FALLS = 2

export const unknownJudgement = (at: number): Judgement => ({
  state: 'unknown',
  since: at,
  bad: 0,
  silent: 0,
  badSince: null,
  serving: 0,
  agree: 0,
  candidate: null,
  epoch: null,
  restarted: false,
  problems: [],
  baseline: [],
  recent: [],
  flapping: false,
  lossRate: 0,
  asked: 0,
  lossy: false,
})

/** The collector itself was away: what it held is not known any more, and a bad poll of that time says nothing. */
export const judgeStall = (previous: Judgement, at: number): Judgement => ({
  ...unknownJudgement(at),
  since: previous.state === 'unknown' ? previous.since : at,
  epoch: previous.epoch,
  baseline: previous.baseline,
  lossRate: previous.lossRate,
  asked: previous.asked,
})

/**
 * Bad polls in a row that make a node down. Where polls are lost now and then (`lossRate`, as a share), a row of polls without any
 * answer has to be longer than chance would make it; any answer, also a refusal, is no loss, and three of those are enough.
 */
export const pollsToFall = (lossRate: number, fall: number): number => {
  if (lossRate < LOSS_NOTED) return fall
  const needed = lossRate >= 1 ? Number.POSITIVE_INFINITY : Math.ceil(Math.log(CHANCE) / Math.log(lossRate))
  return Math.min(MOST_FALLS * fall, Math.max(fall, needed))
}

/** What is known of losses after a good poll: those that came before it were single ones, unless they were an outage. */
const lossesAfter = ({
  state,
  silent,
  lossRate,
  asked,
  lossy,
}: Judgement): Pick<Judgement, 'lossRate' | 'asked' | 'lossy'> => {
  let rate = lossRate
  let count = asked
  const note = (lost: 0 | 1): void => {
    count = Math.min(LOSS_MEMORY, count + 1)
    rate += (lost - rate) / count
  }
  for (let lost = state === 'down' ? 0 : silent; lost > 0; lost -= 1) note(1)
  note(0)
  const isLossy = count >= LOSS_NEEDED && rate >= (lossy ? LOSSY_ENDS : LOSSY_BEGINS)
  return { lossRate: rate, asked: count, lossy: isLossy }
}

/** Bad polls among the newest from which on a node flaps, and below which it does so no more. */
const flapLimits = ({ lossRate, asked }: Pick<Judgement, 'lossRate' | 'asked'>): [number, number] =>
  asked >= LOSS_NEEDED && lossRate >= LOSS_USUAL && lossRate < LOSSY_BEGINS
    ? [LOSSY_FLAP_BEGINS, LOSSY_FLAP_ENDS]
    : [FLAP_BEGINS, FLAP_ENDS]

/** The next judgement after one reading. Pure: the same inputs give the same answer. */
export const judge = (
  previous: Judgement,
  reading: Reading,
  thresholds: JudgeThresholds = JUDGE_DEFAULTS,
  /** The share of polls that get lost on the way anyway, as far as it is known. */
  usualLoss: number = previous.lossRate,
): Judgement => {
  const { facts } = reading
  if (reading.outcome !== 'ok' || !facts) {
    const bad = previous.bad + 1
    const silent = previous.silent + (reading.outcome === 'timeout' ? 1 : 0)
    const next: Judgement = {
      ...previous,
      bad,
      silent,
      recent: [...previous.recent, true].slice(-FLAP_WINDOW),
      badSince: previous.badSince ?? reading.at,
      serving: 0,
      agree: 0,
      candidate: null,
      restarted: false,
      problems: [`${reading.outcome}: ${reading.reason}`, ...flapWords(previous)],
    }
    const needed = silent === bad ? pollsToFall(usualLoss, thresholds.fall) : thresholds.fall
    // What it does before it is down and after that are two stories.
    return bad >= needed
      ? enter(
          { ...next, recent: [], flapping: false, problems: next.problems.slice(0, 1) },
          'down',
          reading.at,
        )
      : next
  }

  const problems = [...facts.problems]
  if (!facts.ok && problems.length === 0) problems.push('the node says that it is not ok')
  problems.push(...(reading.partial ?? []))
  const recent = [...previous.recent, false].slice(-FLAP_WINDOW)
  const badOnes = recent.filter(Boolean).length
  const losses = lossesAfter(previous)
  const [flapBegins, flapEnds] = flapLimits(losses)
  const flapping = badOnes >= (previous.flapping ? flapEnds : flapBegins)
  problems.push(...flapWords({ recent, flapping }))
  if (losses.lossy) problems.push(`lossy: ${Math.round(losses.lossRate * 100)} % of its polls get lost`)
  const tookMs = Math.max(0, reading.durationMs - (reading.ownLagMs ?? 0))
  // Nearly every poll is quick enough whatever is usual: nothing is sorted for those.
  const mayBeSlow = tookMs > Math.min(thresholds.slowMs, thresholds.slowAlwaysMs)
  const median = mayBeSlow ? medianOf(previous.baseline) : null
  const slow =
    mayBeSlow && isSlow(tookMs, previous.baseline.length < BASELINE_NEEDED ? null : median, thresholds)
  if (slow)
    problems.push(
      `slow: ${Math.round(tookMs)} ms${median === null ? '' : ` against a median of ${Math.round(median)} ms`}`,
    )

  const base: Judgement = {
    ...previous,
    ...losses,
    bad: 0,
    silent: 0,
    badSince: null,
    epoch: facts.epoch,
    restarted: previous.epoch !== null && previous.epoch !== facts.epoch,
    problems,
    // A sick node's own slowness must not become what is usual for it.
    baseline: slow ? previous.baseline : [...previous.baseline.slice(-(BASELINE_SIZE - 1)), tookMs],
    recent,
    flapping,
  }
  // What the node says of its own drain is its to say: nobody else knows better, so it holds at once.
  if (facts.state === 'draining' || facts.state === 'stopping') {
    return enter({ ...base, serving: 0, agree: 0, candidate: null }, 'draining', reading.at)
  }
  if (facts.state === 'drained') {
    return enter({ ...base, serving: 0, agree: 0, candidate: null }, 'drained', reading.at)
  }
  if (facts.state === 'starting') return { ...base, serving: 0, agree: 0, candidate: null }

  // It answers often enough never to be down, and not often enough to be relied on: two that agree may never come.
  if (flapping) return enter({ ...base, serving: 0, agree: 0, candidate: null }, 'degraded', reading.at)
  const isDegraded = !facts.ok || slow || losses.lossy || (reading.partial?.length ?? 0) > 0
  const candidate = isDegraded ? 'degraded' : 'up'
  const agree = previous.candidate === candidate ? previous.agree + 1 : 1
  const serving = previous.serving + 1
  const next: Judgement = { ...base, candidate, agree, serving }
  if (agree >= thresholds.rise) return enter(next, candidate, reading.at)
  const settled = previous.state === 'up' || previous.state === 'degraded'
  // Polls that disagree about how well it serves agree that it serves.
  return !settled && serving >= thresholds.rise ? enter(next, 'degraded', reading.at) : next
}

const isSlow = (tookMs: number, median: number | null, thresholds: JudgeThresholds): boolean =>
  tookMs > thresholds.slowAlwaysMs ||
  (median !== null && tookMs > thresholds.slowMs && tookMs > thresholds.slowFactor * median)

const flapWords = ({ recent, flapping }: Pick<Judgement, 'recent' | 'flapping'>): string[] => {
  if (!flapping) return []
  return [`flapping: ${recent.filter(Boolean).length} of the last ${recent.length} polls failed`]
}

const enter = (judgement: Judgement, state: ObservedState, at: number): Judgement =>
  judgement.state === state ? judgement : { ...judgement, state, since: at }

const medianOf = (values: readonly number[]): number | null => {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}
