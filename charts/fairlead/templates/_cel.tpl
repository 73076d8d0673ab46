{{/* The pod policy's values as CEL, for admission.yaml. All are JSON: a JSON string is one of CEL's. */}}

{{/* Whether a name is on a list of podPolicy. Takes {patterns, name: an expression}. */}}
{{- define "fairlead.celMatches" -}}
{{- $names := list -}}
{{- $tests := list -}}
{{- range .patterns -}}
{{- if hasSuffix "*" . -}}
{{- $tests = append $tests (printf "%s.startsWith(%s)" $.name (trimSuffix "*" . | toJson)) -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- if $names }}{{ $tests = append $tests (printf "%s in %s" $.name (toJson $names)) }}{{ end -}}
({{ $tests | join " || " | default "false" }})
{{- end }}

{{/* Whether a volume has one of these types: it has exactly one. Takes {patterns, name}. */}}
{{- define "fairlead.celVolume" -}}
{{- $tests := list -}}
{{- range .patterns }}{{ $tests = append $tests (printf "has(%s.%s)" $.name .) }}{{ end -}}
({{ $tests | join " || " | default "false" }})
{{- end }}

{{/* Takes {patterns: true or false}. */}}
{{- define "fairlead.celFlag" -}}
{{ toJson .patterns }}
{{- end }}

{{/*
What podPolicy says in the request's namespace: what is set for it, else what is common. Takes {root, field, name, as}, with
`as` one of those above.
*/}}
{{- define "fairlead.celAllowed" -}}
{{- $policy := .root.Values.podPolicy -}}
(
{{- range $namespace, $own := $policy.namespaces -}}
{{- if hasKey $own $.field -}}
request.namespace == {{ toJson $namespace }} ? {{ include $.as (dict "patterns" (get $own $.field) "name" $.name) }} : {{ end -}}
{{- end -}}
{{ include .as (dict "patterns" (get $policy .field) "name" .name) -}}
)
{{- end }}

{{- define "fairlead.celName" -}}
{{ include "fairlead.celAllowed" (dict "root" .root "field" .field "name" .name "as" "fairlead.celMatches") }}
{{- end }}

{{/* A Secret's name: `fairlead-env` is every namespace's own. Takes {root, name}. */}}
{{- define "fairlead.celSecret" -}}
({{ .name }} == "fairlead-env" || {{ include "fairlead.celName" (dict "root" .root "field" "secrets" "name" .name) }})
{{- end }}

{{- define "fairlead.celConfigMap" -}}
{{ include "fairlead.celName" (dict "root" .root "field" "configMaps" "name" .name) }}
{{- end }}

{{/* Whether the request's namespace executes no runs. Takes the root. */}}
{{- define "fairlead.celClosed" -}}
{{- $closed := .Values.podPolicy.closedNamespaces -}}
{{- if not .Values.podPolicy.releaseNamespace }}{{ $closed = append $closed .Release.Namespace }}{{ end -}}
{{ include "fairlead.celMatches" (dict "patterns" $closed "name" "request.namespace") }}
{{- end }}
