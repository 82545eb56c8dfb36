'use client'

import { useRouter } from 'next/navigation'
import { useEffect, useMemo } from 'react'
import { useWatch } from 'react-hook-form'
import { type DrainCreateRequest, type DrainPreviewRequest, isForceable } from '@/server/contract/drains.ts'
import { useDrainPlan, useStartDrain } from '../data/drains.ts'
import { problemsByPath } from '../data/error-text.ts'
import { useMay, useMe } from '../data/me.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { asSentence, type Problems, useCheckedForm } from '../ui/use-checked-form.ts'
import { DrainChoices } from './drain-choices.tsx'
import { DrainPlanView } from './drain-plan-view.tsx'
import { drainProblems } from './drain-problems.ts'
import { StartProblem } from './start-problem.tsx'
import { StrategyFields } from './strategy-fields.tsx'
import {
  NO_STRATEGY,
  type StrategyValues,
  strategyOf,
  strategyPaths,
  strategyWords,
} from './strategy-values.ts'
import { useDrainChoice } from './use-drain-choice.ts'

interface Values extends StrategyValues {
  reason: string
  confirm: string
  force: boolean
}
const NOTHING: Values = { reason: '', confirm: '', force: false, ...NO_STRATEGY }

/** Choose, see the plan, type the id. The drain starts on the server or not at all; nothing is shown before it has. */
export function DrainForm() {
  const router = useRouter()
  const me = useMe()
  const may = useMay('operator')
  const mayForce = useMay('admin')
  const { data: overview } = useOverview()
  const choice = useDrainChoice()
  const start = useStartDrain()
  // Checked when something is written or sent: the plan for what is written is there by then, or reported as missing.
  const form = useCheckedForm<Values>((values) => {
    const problems = problemsOf(values)
    return Object.keys(problems).length === 0 ? { values } : { problems }
  }, NOTHING)
  const { register, handleSubmit, reset, problemOf, showProblems, trigger, control } = form
  const { isSubmitted } = form.formState
  const values = { ...NOTHING, ...useWatch({ control }) }
  const strategy = strategyOf(values)
  const wanted = 'values' in strategy ? JSON.stringify(strategy.values) : null
  const request = useMemo((): DrainPreviewRequest | null => {
    if (!choice.id || !may || wanted === null) return null
    return { [choice.kind]: choice.id, ...(wanted === '{}' ? {} : { strategy: JSON.parse(wanted) }) }
  }, [choice.id, choice.kind, wanted, may])
  const plan = useDrainPlan(request)
  const blocked = (plan.data?.blockers.length ?? 0) > 0
  const stuck = plan.data?.blockers.some((blocker) => !isForceable(blocker)) ?? false
  const about = { id: choice.id, planned: Boolean(plan.data), blocked, stuck }
  const problemsOf = (all: Values): Problems => {
    const asked = strategyOf(all)
    return { ...drainProblems({ ...about, ...all }), ...('problems' in asked ? asked.problems : {}) }
  }
  const ready = choice.id !== null && Object.keys(problemsOf(values)).length === 0
  // The server may know better than the page: its refusal is shown at the field until the field changes.
  const refused = strategyPaths(problemsByPath(plan.error))
  const problemAt = (field: string) => problemOf(field) ?? asSentence(refused[field])
  // The plan comes by itself, and what was wrong without it is not wrong any more.
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the plan changes
  useEffect(() => {
    if (isSubmitted) void trigger()
  }, [about.planned, blocked, isSubmitted, trigger])

  if (me.data && !may) {
    return (
      <p className="text-soft">
        Draining needs the operator role; yours is {me.data.role}. Ask an administrator, or an operator to
        drain for you.
      </p>
    )
  }

  const submit = handleSubmit(({ reason, confirm, force }) => {
    if (start.isPending || !request) return
    const body: DrainCreateRequest = {
      ...request,
      reason: reason.trim(),
      confirm,
      ...(force ? { force: true } : {}),
    }
    start.mutate(body, {
      onSuccess: (drain) => router.push(`/drains/${drain.id}`),
      onError: (error) => showProblems(strategyPaths(problemsByPath(error))),
    })
  })

  return (
    <form noValidate className="grid gap-6 lg:grid-cols-[22rem_minmax(0,1fr)] lg:gap-10" onSubmit={submit}>
      <div className="grid content-start gap-4">
        <Field label="Region or node" problem={asSentence(refused.region ?? refused.node)}>
          {(ids) => (
            <select
              {...ids}
              className={controlClass}
              value={choice.value}
              onChange={(event) => {
                choice.choose(event.target.value)
                reset({ ...values, confirm: '', force: false })
                start.reset()
              }}
            >
              <option value="">Choose…</option>
              <DrainChoices fleet={overview} />
            </select>
          )}
        </Field>
        <TextField
          label="Reason"
          hint="Others see it, for example: kernel update."
          maxLength={500}
          field={register('reason')}
          problem={problemOf('reason')}
        />
        <StrategyFields form={{ ...form, problemOf: problemAt }} words={strategyWords(strategy)} />
      </div>
      <div className="grid min-w-0 content-start gap-6">
        {choice.id ? (
          <>
            {'values' in strategy ? (
              <Panel title={`Plan for ${choice.id}`} query={plan} rows={6} reserve={460} reserveOnPhone={640}>
                {plan.data && <DrainPlanView plan={plan.data} onDeadline={values.onDeadline} />}
              </Panel>
            ) : (
              <Panel title={`Plan for ${choice.id}`}>
                <p className="text-soft">Correct the strategy, and the plan appears here.</p>
              </Panel>
            )}
            <section className="grid max-w-md gap-3 border-hairline border-t pt-3">
              <TextField
                label={`Type ${choice.id} to confirm`}
                hint={`All traffic of ${choice.id} moves elsewhere. It stays out of service until somebody resumes it.`}
                className={`${controlClass} num`}
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                field={register('confirm')}
                problem={problemOf('confirm')}
              />
              {blocked && !stuck && mayForce && (
                <label className="flex min-h-8 items-center gap-2">
                  <input type="checkbox" {...register('force')} />
                  Override the blockers. This is written to the audit log.
                </label>
              )}
              {problemOf('plan') && (
                <p role="alert" className="text-down">
                  {problemOf('plan')}
                </p>
              )}
              <StartProblem error={start.error} />
              <div>
                <Button type="submit" tone="danger" aria-disabled={!ready || start.isPending || undefined}>
                  {start.isPending ? 'Starting…' : `Drain ${choice.id}`}
                </Button>
              </div>
            </section>
          </>
        ) : (
          <p className="border-hairline border-t pt-3 text-soft">
            Choose a region or a node, and the plan appears here.
          </p>
        )}
      </div>
    </form>
  )
}
