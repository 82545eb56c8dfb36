'use client'

import { useRouter } from 'next/navigation'
import { useMemo, useRef, useState } from 'react'
import type { DrainCreateRequest, DrainPreviewRequest, Strategy } from '@/server/contract/drains.ts'
import { useDrainPlan, useStartDrain } from '../data/drains.ts'
import { useMay, useMe } from '../data/me.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { DrainPlanView } from './drain-plan-view.tsx'
import { drainProblems } from './drain-problems.ts'
import { StartProblem } from './start-problem.tsx'
import { StrategyFields } from './strategy-fields.tsx'
import { useDrainChoice } from './use-drain-choice.ts'

/** Choose, see the plan, type the id. The drain starts on the server or not at all; nothing is shown before it has. */
export function DrainForm() {
  const router = useRouter()
  const me = useMe()
  const may = useMay('operator')
  const mayForce = useMay('admin')
  const { data: overview } = useOverview()
  const choice = useDrainChoice()
  const [strategy, setStrategy] = useState<Partial<Strategy>>({})
  const [reason, setReason] = useState('')
  const [confirm, setConfirm] = useState('')
  const [force, setForce] = useState(false)
  const start = useStartDrain()

  const request: DrainPreviewRequest | null = useMemo(
    () =>
      choice.id && may
        ? { [choice.kind]: choice.id, ...(Object.keys(strategy).length > 0 ? { strategy } : {}) }
        : null,
    [choice.id, choice.kind, strategy, may],
  )
  const plan = useDrainPlan(request)
  const blocked = (plan.data?.blockers.length ?? 0) > 0
  const [pressed, setPressed] = useState(false)
  const fields = useRef<HTMLFormElement>(null)
  const problems = drainProblems({
    id: choice.id,
    reason,
    confirm,
    planned: Boolean(plan.data),
    blocked,
    force,
  })
  const ready = choice.id !== null && Object.keys(problems).length === 0
  const shown = pressed ? problems : {}

  if (me.data && !may) {
    return (
      <p className="text-soft">
        Draining needs the role operator; you are {me.data.role}. Ask an administrator, or an operator to
        drain for you.
      </p>
    )
  }

  const submit = () => {
    if (start.isPending) return
    if (!ready || !request) {
      // A grey button explains nothing: each field says what it still needs, and the first of them gets the focus.
      setPressed(true)
      const first = problems.reason ? 'reason' : problems.confirm ? 'confirm' : null
      if (first) fields.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus()
      return
    }
    const body: DrainCreateRequest = {
      ...request,
      reason: reason.trim(),
      confirm,
      ...(force ? { force: true } : {}),
    }
    start.mutate(body, { onSuccess: (drain) => router.push(`/drains/${drain.id}`) })
  }

  return (
    <form
      ref={fields}
      noValidate
      className="grid gap-6 lg:grid-cols-[22rem_minmax(0,1fr)] lg:gap-10"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <div className="grid content-start gap-4">
        <Field label="Region or node">
          {(ids) => (
            <select
              {...ids}
              className={controlClass}
              value={choice.value}
              onChange={(event) => {
                choice.choose(event.target.value)
                setConfirm('')
                setForce(false)
                setPressed(false)
                start.reset()
              }}
            >
              <option value="">Choose…</option>
              <optgroup label="Regions">
                {overview?.regions.map((region) => (
                  <option key={region.id} value={`region:${region.id}`}>
                    {region.id} · {region.name}
                  </option>
                ))}
              </optgroup>
              <optgroup label="Nodes">
                {overview?.nodes.map((node) => (
                  <option key={node.id} value={`node:${node.id}`}>
                    {node.id}
                  </option>
                ))}
              </optgroup>
            </select>
          )}
        </Field>
        <Field label="Reason" hint="Others see it, for example: kernel update." problem={shown.reason}>
          {(ids) => (
            <input
              {...ids}
              name="reason"
              className={controlClass}
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
        <StrategyFields strategy={strategy} onChange={setStrategy} />
      </div>
      <div className="grid min-w-0 content-start gap-6">
        {choice.id ? (
          <>
            <Panel title={`Plan for ${choice.id}`} query={plan} rows={6}>
              {plan.data && <DrainPlanView plan={plan.data} />}
            </Panel>
            <section className="grid max-w-md gap-3 border-hairline border-t pt-3">
              <Field
                label={`Type ${choice.id} to confirm`}
                hint={`All traffic of ${choice.id} moves elsewhere. It stays out of service until somebody resumes it.`}
                problem={shown.confirm}
              >
                {(ids) => (
                  <input
                    {...ids}
                    name="confirm"
                    className={`${controlClass} num`}
                    autoComplete="off"
                    autoCapitalize="none"
                    spellCheck={false}
                    value={confirm}
                    onChange={(event) => setConfirm(event.target.value)}
                  />
                )}
              </Field>
              {blocked && mayForce && (
                <label className="flex min-h-8 items-center gap-2">
                  <input
                    type="checkbox"
                    checked={force}
                    onChange={(event) => setForce(event.target.checked)}
                  />
                  Override the blockers. This is written to the audit log.
                </label>
              )}
              {shown.plan && (
                <p role="alert" className="text-down">
                  {shown.plan}
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
