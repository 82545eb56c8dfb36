'use client'

import type { Strategy } from '@/server/contract/drains.ts'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { strategyProblems, strategyWords } from './strategy-problems.ts'

const number = (text: string): number | undefined =>
  text.trim() === '' || !Number.isFinite(Number(text)) ? undefined : Number(text)

/** The defaults are right most of the time, so the rest is folded away. */
export function StrategyFields({
  strategy,
  onChange,
}: {
  strategy: Partial<Strategy>
  onChange: (strategy: Partial<Strategy>) => void
}) {
  const set = (change: { [Name in keyof Strategy]?: Strategy[Name] | undefined }) => {
    const next = { ...strategy, ...change }
    onChange(
      Object.fromEntries(
        Object.entries(next).filter(([, value]) => value !== undefined),
      ) as Partial<Strategy>,
    )
  }
  const problems = strategyProblems(strategy)
  return (
    <details className="rounded-[4px] border border-hairline px-3 py-2">
      <summary className="min-h-6">Strategy: {strategyWords(strategy, problems)}</summary>
      <div className="grid gap-4 pt-3 pb-1">
        <Field label="Nodes at a time" problem={problems.maxUnavailable}>
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={1}
              max={100}
              placeholder="1"
              className={controlClass}
              value={strategy.maxUnavailable ?? ''}
              onChange={(event) => set({ maxUnavailable: number(event.target.value) })}
            />
          )}
        </Field>
        <Field
          label="Tunnels per second"
          hint="Empty: as fast as the relays allow."
          problem={problems.tunnelsPerSecond}
        >
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={1}
              placeholder="no limit"
              className={controlClass}
              value={strategy.tunnelsPerSecond ?? ''}
              onChange={(event) => set({ tunnelsPerSecond: number(event.target.value) })}
            />
          )}
        </Field>
        <Field label="Deadline for connections, in seconds" problem={problems.deadlineSeconds}>
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={0}
              placeholder="300"
              className={controlClass}
              value={strategy.deadlineSeconds ?? ''}
              onChange={(event) => set({ deadlineSeconds: number(event.target.value) })}
            />
          )}
        </Field>
        <Field label="At the deadline">
          {(ids) => (
            <select
              {...ids}
              className={controlClass}
              value={strategy.onDeadline ?? 'wait'}
              onChange={(event) => set({ onDeadline: event.target.value as Strategy['onDeadline'] })}
            >
              <option value="wait">wait for what is left</option>
              <option value="force">close what is left</option>
              <option value="resume">give up and serve again</option>
            </select>
          )}
        </Field>
        <Field label="When empty">
          {(ids) => (
            <select
              {...ids}
              className={controlClass}
              value={strategy.mode ?? 'hold'}
              onChange={(event) => set({ mode: event.target.value as Strategy['mode'] })}
            >
              <option value="hold">hold: stay, ready to resume</option>
              <option value="exit">exit: end the process</option>
            </select>
          )}
        </Field>
      </div>
    </details>
  )
}
