import type { DemoInfo, Scenario } from '../contract/answers/demo.ts'
import type { User } from '../contract/answers/user.ts'
import { SCENARIOS } from '../contract/demo.ts'
import { AppError } from '../contract/errors.ts'
import type { Overview } from '../contract/fleet.ts'
import type { Page } from '../contract/ids.ts'
import type { Incident } from '../contract/incidents.ts'
import { DRAIN_WORDS, INCIDENT_WORDS, OBSERVED_WORDS, SEVERITY_WORDS } from '../contract/state-words.ts'
import type { ApiClient } from './api-client.ts'
import { EXIT } from './exit-codes.ts'
import { answer, print, table } from './output.ts'

export const statusCommand = async (api: ApiClient, json: boolean): Promise<number> => {
  const overview = await api.get<Overview>('/overview')
  answer(json, overview, () =>
    [
      `${overview.verdict.level}: ${overview.verdict.text} (as of ${overview.at})`,
      table(
        ['node', 'region', 'state', 'since', 'tunnels', 'connections'],
        overview.nodes.map((node) => [
          node.id,
          node.region,
          OBSERVED_WORDS[node.state],
          node.since,
          node.numbers.tunnels ?? null,
          node.numbers.connections ?? null,
        ]),
      ),
      ...overview.incidents.map(
        (incident) => `incident ${incident.id}  ${INCIDENT_WORDS[incident.state]}  ${incident.title}`,
      ),
      ...overview.drains.map(
        (drain) => `drain ${drain.id}  ${DRAIN_WORDS[drain.state]}  ${drain.region ?? drain.node}`,
      ),
      ...overview.held.map(
        (part) =>
          `held  ${part.nodes.join(', ')}  ${DRAIN_WORDS[part.state]} since ${part.since} (${part.reason}); tidegate drains resume ${part.drainId}`,
      ),
      ...overview.problems.map((problem) => `problem ${problem.code}  ${problem.text} ${problem.remedy}`),
    ].join('\n'),
  )
  return overview.verdict.level === 'outage' ? EXIT.failed : EXIT.ok
}

export const incidentsCommand = async (api: ApiClient, json: boolean): Promise<number> => {
  const page = await api.get<Page<Incident>>('/incidents')
  answer(json, page, () =>
    page.items.length === 0
      ? 'No incident yet'
      : table(
          ['id', 'state', 'severity', 'started', 'title'],
          page.items.map((incident) => [
            incident.id,
            INCIDENT_WORDS[incident.state],
            SEVERITY_WORDS[incident.severity],
            incident.startedAt,
            incident.title,
          ]),
        ),
  )
  return EXIT.ok
}

export const exportIncidentCommand = async (api: ApiClient, id: string, format: string): Promise<number> => {
  print(await api.text(`/incidents/${encodeURIComponent(id)}/export?format=${encodeURIComponent(format)}`))
  return EXIT.ok
}

/** `tidegate replay SCENARIO`: starts, or with `--end` ends, a game-day scenario of the demo fleet. */
export const replayCommand = async (
  api: ApiClient,
  name: string | undefined,
  end: boolean,
  json: boolean,
): Promise<number> => {
  if (name === undefined) {
    const page = await api.get<Page<Scenario>>('/demo/scenarios')
    answer(json, page, () =>
      table(
        ['scenario', 'state', 'what it does'],
        page.items.map((item) => [item.name, item.running ? 'running' : 'ready', item.does]),
      ),
    )
    return EXIT.ok
  }
  if (!(SCENARIOS as readonly string[]).includes(name)) {
    throw new AppError(
      'ERR_INVALID',
      `There is no scenario "${name}"; there are ${SCENARIOS.join(' and ')}`,
      {},
    )
  }
  const scenario = end
    ? (await api.get<Page<Scenario>>('/demo/scenarios')).items.find((item) => item.name === name)
    : undefined
  if (end) await api.delete(`/demo/scenarios/${name}`)
  else await api.post(`/demo/scenarios/${name}`, {})
  answer(json, { scenario: name, running: !end }, () =>
    end
      ? scenario?.running
        ? `${name} has been ended`
        : `${name} was not running`
      : `${name} is running; end it with: tidegate replay ${name} --end`,
  )
  return EXIT.ok
}

export const demoCommand = async (api: ApiClient, json: boolean): Promise<number> => {
  const info = await api.get<DemoInfo>('/demo')
  answer(json, info, () =>
    table(
      ['node', 'region', 'relay'],
      info.relays.map((relay) => [relay.node, relay.region, relay.url]),
    ),
  )
  return EXIT.ok
}

export const userAddCommand = async (
  api: ApiClient,
  email: string,
  role: string,
  password: string,
  json: boolean,
): Promise<number> => {
  const user = await api.post<User>('/users', {
    email,
    role,
    password,
  })
  answer(json, user, () => `${user.email} was added as ${user.role}`)
  return EXIT.ok
}

/** `tidegate smoke`: status 200 **and** the region that was asked for, so that a deploy does not pass on the wrong region's answer. */
export const smokeCommand = async (
  url: string,
  region: string,
  headers: readonly string[],
  json: boolean,
): Promise<number> => {
  let seen: { status: number; region: unknown }
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
      headers: headers.map((header): [string, string] => {
        const colon = header.indexOf(':')
        return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()]
      }),
    })
    const text = (await response.text()).slice(0, 65_536)
    let body: unknown = null
    try {
      body = JSON.parse(text)
    } catch {
      // Not JSON: then there is no region to compare, which fails below.
    }
    seen = {
      status: response.status,
      region: typeof body === 'object' && body !== null && 'region' in body ? body.region : null,
    }
  } catch (error) {
    throw new AppError('ERR_NODE_UNREACHABLE', `${url} cannot be reached`, {}, { cause: error })
  }
  const ok = seen.status === 200 && seen.region === region
  answer(json, { ok, ...seen, wanted: region }, () =>
    ok
      ? `ok: ${url} answers 200 from ${region}`
      : `failed: ${url} answers ${seen.status} ${seen.region === null ? 'without a region' : `from region ${String(seen.region)}`}; wanted 200 from ${region}`,
  )
  return ok ? EXIT.ok : EXIT.failed
}
