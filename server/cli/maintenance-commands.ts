import { AppError } from '../contract/errors.ts'
import type { Page } from '../contract/ids.ts'
import { type MaintenanceWindow, maintenanceSubject } from '../contract/maintenance.ts'
import { countWords } from '../contract/words.ts'
import type { ApiClient } from './api-client.ts'
import { EXIT } from './exit-codes.ts'
import { answer, table } from './output.ts'

export interface MaintenanceOptions {
  title: string
  reason: string
  /** ISO 8601; default now. */
  from?: string
  to?: string
  /** Instead of `to`: `90m`, `2h`, `1d`. */
  for?: string
  region?: string[]
  node?: string[]
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `90m`, `2h`, `1h30m` in ms. Throws `ERR_INVALID`. */
export const durationOf = (text: string): number => {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhd])/g)]
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ''] ?? 0), 0)
  if (parts.map(([part]) => part).join('') !== text.replace(/\s+(?=\d)/g, '').trim() || ms <= 0)
    throw new AppError('ERR_INVALID', `"${text}" is not a duration; for example 90m, 2h or 1h30m`)
  return ms
}

const timeOf = (option: string, text: string): number => {
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at))
    throw new AppError('ERR_INVALID', `--${option} is "${text}"; write a time like 2026-04-27T18:00:00Z`)
  return at
}

const endOf = (options: MaintenanceOptions, from: number): number => {
  if ((options.to === undefined) === (options.for === undefined))
    throw new AppError('ERR_INVALID', 'Say when it ends: either --for 2h or --to 2026-04-27T18:00:00Z')
  return options.to === undefined ? from + durationOf(options.for ?? '') : timeOf('to', options.to)
}

/** The window that the options mean; `now` in epoch ms. Throws `ERR_INVALID`. */
export const windowOf = (options: MaintenanceOptions, now: number) => {
  const from = options.from === undefined ? now : timeOf('from', options.from)
  return {
    title: options.title,
    reason: options.reason,
    from: new Date(from).toISOString(),
    to: new Date(endOf(options, from)).toISOString(),
    ...(options.region === undefined ? {} : { regions: options.region }),
    ...(options.node === undefined ? {} : { nodes: options.node }),
  }
}

export const maintenanceCommand = async (
  api: ApiClient,
  status: string | undefined,
  json: boolean,
): Promise<number> => {
  const query = status === undefined ? '' : `?status=${encodeURIComponent(status)}`
  const page = await api.get<Page<MaintenanceWindow>>(`/maintenance${query}`)
  answer(json, page, () =>
    page.items.length === 0
      ? 'No maintenance'
      : table(
          ['id', 'of', 'state', 'from', 'to', 'by', 'title'],
          page.items.map((window) => [
            window.id,
            maintenanceSubject(window),
            window.state,
            window.from,
            window.to,
            window.createdBy,
            window.title,
          ]),
        ),
  )
  return EXIT.ok
}

/** `tidegate maintenance add`: from now on, unless another start is given. */
export const addMaintenanceCommand = async (
  api: ApiClient,
  options: MaintenanceOptions,
  json: boolean,
): Promise<number> => {
  const window = await api.post<MaintenanceWindow>('/maintenance', windowOf(options, Date.now()))
  answer(json, window, () => {
    const since = window.state === 'active' ? 'now' : window.from
    return `Maintenance ${window.id} of ${maintenanceSubject(window)} is ${window.state}: from ${since} until ${window.to}; end it with: tidegate maintenance end ${window.id}`
  })
  return EXIT.ok
}

/** `tidegate maintenance end ID`: an active one ends now, a planned one is removed. */
export const endMaintenanceCommand = async (api: ApiClient, id: string, json: boolean): Promise<number> => {
  const active = await api.get<Page<MaintenanceWindow>>('/maintenance?status=active&limit=1000')
  await api.delete(`/maintenance/${encodeURIComponent(id)}`)
  const held = active.items.find((window) => window.id === id)?.held ?? []
  answer(json, { id, ended: true, held }, () =>
    [
      `Maintenance ${id} has ended`,
      ...(held.length === 0
        ? []
        : [`${countWords(held.length)} held back by it, and opened now where it still holds:`]),
      ...held.map(({ kind, sentence }) => `  ${kind}  ${sentence}`),
    ].join('\n'),
  )
  return EXIT.ok
}
