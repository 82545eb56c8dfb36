'use client'

import type { FieldPath, UseFormReturn } from 'react-hook-form'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { STANDARD, type StrategyValues } from './strategy-values.ts'

/**
 * The defaults are right most of the time, so the rest is folded away. Mistakes are shown while typing: there is no plan until they are
 * corrected.
 */
export function StrategyFields<Values extends StrategyValues>({
  form: { register, trigger, problemOf },
  words,
}: {
  form: Pick<UseFormReturn<Values>, 'register' | 'trigger'> & {
    problemOf: (field: string) => string | undefined
  }
  /** The strategy as it is, for people who leave this folded. */
  words: string
}) {
  const field = (name: keyof StrategyValues) => ({
    field: register(name as FieldPath<Values>, { onChange: () => trigger(name as FieldPath<Values>) }),
    problem: problemOf(name),
  })
  return (
    <details className="rounded-[4px] border border-hairline px-3 py-2">
      <summary className="min-h-6">Strategy: {words}</summary>
      <div className="grid gap-4 pt-3 pb-1">
        <TextField
          label="Nodes at a time"
          inputMode="numeric"
          placeholder={String(STANDARD.maxUnavailable)}
          {...field('maxUnavailable')}
        />
        <TextField
          label="Tunnels per second"
          hint="Empty: as fast as the relays allow."
          inputMode="decimal"
          placeholder="no limit"
          {...field('tunnelsPerSecond')}
        />
        <TextField
          label="Deadline for connections, in seconds"
          inputMode="numeric"
          placeholder={String(STANDARD.deadlineSeconds)}
          {...field('deadlineSeconds')}
        />
        <Field label="At the deadline" problem={problemOf('onDeadline')}>
          {(ids) => (
            <select {...ids} className={controlClass} {...field('onDeadline').field}>
              <option value="wait">wait for what is left</option>
              <option value="force">close what is left</option>
              <option value="resume">give up and serve again</option>
            </select>
          )}
        </Field>
        <Field label="When empty" problem={problemOf('mode')}>
          {(ids) => (
            <select {...ids} className={controlClass} {...field('mode').field}>
              <option value="hold">hold: stay, ready to resume</option>
              <option value="exit">exit: end the process</option>
            </select>
          )}
        </Field>
      </div>
    </details>
  )
}
