import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { AppRouterContext } from 'next/dist/shared/lib/app-router-context.shared-runtime'
import {
  PathnameContext,
  SearchParamsContext,
} from 'next/dist/shared/lib/hooks-client-context.shared-runtime'
import { NuqsTestingAdapter } from 'nuqs/adapters/testing'
import type { ReactNode } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import type { Role } from '@/server/contract/states.ts'

const router = {
  push: () => undefined,
  replace: () => undefined,
  refresh: () => undefined,
  back: () => undefined,
  forward: () => undefined,
  prefetch: () => undefined,
} as never

/** A component as a page draws it first, with what the API has answered already: query keys and data. */
export const render = (
  element: ReactNode,
  {
    role = 'operator',
    answers = [],
    path = '/',
    search = '',
  }: {
    role?: Role
    answers?: [key: readonly unknown[], data: unknown][]
    path?: string
    search?: string
  } = {},
): string => {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: Infinity } } })
  client.setQueryData(['me'], { email: 'ana@example.com', role, demo: false })
  for (const [key, data] of answers) client.setQueryData(key, data)
  return renderToStaticMarkup(
    <AppRouterContext value={router}>
      <PathnameContext value={path}>
        <SearchParamsContext value={new URLSearchParams(search)}>
          <NuqsTestingAdapter searchParams={search}>
            <QueryClientProvider client={client}>{element}</QueryClientProvider>
          </NuqsTestingAdapter>
        </SearchParamsContext>
      </PathnameContext>
    </AppRouterContext>,
  )
}

const text = (html: string): string =>
  html
    .replace(/<[^>]*>/g, '')
    .replace(/&#x27;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')
    .trim()

/** The words on a page, without its marks. */
export const wordsOf = (html: string): string => text(html.replace(/<\/(?:td|th|li|p|dd|dt|h\d|div)>/g, ' '))
/** The names of the buttons on a page, in order. */
export const buttonsOf = (html: string): string[] =>
  [...html.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)].map(
    ([, attributes = '', inner = '']) => /aria-label="([^"]*)"/.exec(attributes)?.[1] ?? text(inner),
  )
