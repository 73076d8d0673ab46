{{/* Names and labels. Every helper takes the root context, unless it says otherwise. */}}

{{/* At most 40 characters, so that every suffix, and the names that Kubernetes makes of them, fit; a Service has no dots. */}}
{{- define "fairlead.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-fairlead" .Release.Name) (contains "fairlead" .Release.Name) -}}
{{- end -}}
{{- $name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Takes {root, component}. */}}
{{- define "fairlead.selectorLabels" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Takes {root, component}. */}}
{{- define "fairlead.labels" -}}
{{ include "fairlead.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Secrets: never rendered. The one that is named, else the one that the controller makes. */}}
{{- define "fairlead.redisSecret" -}}
{{- if or .Values.redis.existingSecret (not .Values.redis.embedded) -}}
{{- .Values.redis.existingSecret -}}
{{- else -}}
{{- include "fairlead.fullname" . }}-redis
{{- end -}}
{{- end }}

{{- define "fairlead.objectStoreSecret" -}}
{{- .Values.objectStore.existingSecret | default (printf "%s-objectstore" (include "fairlead.fullname" .)) -}}
{{- end }}

{{- define "fairlead.signingSecret" -}}
{{- .Values.signing.existingSecret | default (printf "%s-signing" (include "fairlead.fullname" .)) -}}
{{- end }}

{{- define "fairlead.apiKeySecret" -}}
{{- .Values.apiKey.existingSecret | default (printf "%s-api-key" (include "fairlead.fullname" .)) -}}
{{- end }}

{{/* All keys but the first. */}}
{{- define "fairlead.apiKeysSecret" -}}
{{ include "fairlead.fullname" . }}-api-keys
{{- end }}

{{/* What the controller makes if it is absent, comma separated. */}}
{{- define "fairlead.createSecrets" -}}
{{- $roles := list -}}
{{- if and .Values.redis.embedded (not .Values.redis.existingSecret) }}{{ $roles = append $roles "redis" }}{{ end -}}
{{- if not .Values.objectStore.existingSecret }}{{ $roles = append $roles "objectstore" }}{{ end -}}
{{- if not .Values.signing.existingSecret }}{{ $roles = append $roles "signing" }}{{ end -}}
{{- if not .Values.apiKey.existingSecret }}{{ $roles = append $roles "api-key" }}{{ end -}}
{{- $roles = append $roles "api-keys" -}}
{{- join "," $roles -}}
{{- end }}

{{- define "fairlead.redisUrl" -}}
{{- if .Values.redis.embedded -}}
redis://{{ include "fairlead.fullname" . }}-redis.{{ .Release.Namespace }}.svc:6379
{{- else -}}
{{ required "redis.url is needed with redis.embedded=false, such as redis://redis.example.svc:6379." .Values.redis.url }}
{{- end -}}
{{- end }}

{{- define "fairlead.objectStoreEndpoint" -}}
{{- if .Values.objectStore.embedded -}}
http://{{ include "fairlead.fullname" . }}-objectstore.{{ .Release.Namespace }}.svc:7070
{{- else -}}
{{- $need := "is needed with objectStore.embedded=false:" -}}
{{- $_ := required (printf "objectStore.existingSecret %s a Secret with accessKeyId and secretAccessKey." $need) .Values.objectStore.existingSecret -}}
{{ required (printf "objectStore.endpoint %s the address of an S3 service." $need) .Values.objectStore.endpoint }}
{{- end -}}
{{- end }}

{{/*
The namespace that the first API key opens, and where `helm test` creates its TaskRun: `default`, or the first one that
is watched. The release's own one executes runs only if podPolicy says so.
*/}}
{{- define "fairlead.testNamespace" -}}
{{- $watched := .Values.watchNamespaces -}}
{{- if not .Values.podPolicy.releaseNamespace }}{{ $watched = without $watched .Release.Namespace }}{{ end -}}
{{- if and .Values.watchNamespaces (not $watched) -}}
{{- fail "watchNamespaces: has only the release's own namespace, which executes no runs: list another one, or set podPolicy.releaseNamespace=true." -}}
{{- end -}}
{{- if .Values.apiKey.namespace -}}
{{ .Values.apiKey.namespace }}
{{- else if empty .Values.watchNamespaces -}}
default
{{- else -}}
{{ first $watched }}
{{- end -}}
{{- end }}
