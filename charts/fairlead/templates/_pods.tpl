{{/* What pods have in common. */}}

{{/* An image's reference. Takes {root, image, key}. */}}
{{- define "fairlead.image" -}}
{{- $image := .image -}}
{{- if not $image.repository -}}
{{- fail (printf "%s.repository is empty and no image is published yet: run `npm run images -- --push REGISTRY` and add `-f .fairlead/images-values.yaml`." .key) -}}
{{- end -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The image of Tasks whose code is in the bucket; empty when the values name none. */}}
{{- define "fairlead.runtimeImage" -}}
{{- with .Values.runtimeImage -}}
{{- if .repository -}}
{{ include "fairlead.image" (dict "root" $ "image" . "key" "runtimeImage") }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The image of a container: its reference and when it is pulled. Takes {root, image, key}. */}}
{{- define "fairlead.containerImage" -}}
image: {{ include "fairlead.image" . | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
{{- end }}

{{/* Pod Security `restricted`, the pod's part. */}}
{{- define "fairlead.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Pod Security `restricted`, the container's part. */}}
{{- define "fairlead.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Nothing that changes with the chart's version, so that an upgrade restarts only what it changes. Takes {root, component, values}. */}}
{{- define "fairlead.podMetadata" -}}
labels:
  {{- $own := include "fairlead.selectorLabels" . | fromYaml }}
  {{- toYaml (merge $own .values.podLabels) | nindent 2 }}
{{- end }}

{{/*
Which nodes, and how long on one that does not answer: other nodes take over after tolerationSeconds (15 by default;
Kubernetes' own default is 300). Replicas do not share a node where there are two. Takes {root, component, values,
tolerationSeconds}.
*/}}
{{- define "fairlead.podScheduling" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
tolerations:
  {{- with .values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- $seconds := .tolerationSeconds | default 15 }}
  {{- $own := list }}
  {{- range .values.tolerations }}{{ $own = append $own .key }}{{ end }}
  {{- range list "node.kubernetes.io/not-ready" "node.kubernetes.io/unreachable" }}
  {{- if not (has . $own) }}
  - { key: {{ . }}, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $seconds }} }
  {{- end }}
  {{- end }}
{{- with .values.affinity }}
affinity: {{ toJson . }}
{{- else }}
{{- if hasKey .values "replicas" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "fairlead.selectorLabels" . | nindent 14 }}
{{- end }}
{{- end }}
{{- if hasKey .values "replicas" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "fairlead.selectorLabels" . | nindent 8 }}
{{- end }}
{{- end }}

{{/* The volume `data` and the claim behind it, which stays at `helm uninstall`. Both take {name, part}. */}}
{{- define "fairlead.dataVolume" -}}
{{- if .part.root.Values.persistence.enabled -}}
- { name: data, persistentVolumeClaim: { claimName: {{ .name }} } }
{{- else -}}
- { name: data, emptyDir: {} }
{{- end }}
{{- end }}

{{- define "fairlead.claim" -}}
{{- with .part.values.persistence }}
{{- if $.part.root.Values.persistence.enabled }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ $.name }}
  namespace: {{ $.part.root.Release.Namespace }}
  labels:
    {{- include "fairlead.labels" $.part | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests: { storage: {{ .size }} }
{{- end }}
{{- end }}
{{- end }}

{{/* The environment of the operator's processes. */}}
{{- define "fairlead.operatorEnv" -}}
{{- $fullname := include "fairlead.fullname" . -}}
- { name: FAIRLEAD_POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
{{- $env := dict
  "FAIRLEAD_NAMESPACE" .Release.Namespace
  "FAIRLEAD_FULLNAME" $fullname
  "FAIRLEAD_INSTALLATION_ID" .Values.installationId
  "FAIRLEAD_WATCH_NAMESPACES" (join "," .Values.watchNamespaces)
  "FAIRLEAD_API_URL" (printf "http://%s-api.%s.svc:%d" $fullname .Release.Namespace (int .Values.api.service.port))
  "FAIRLEAD_REDIS_URL" (include "fairlead.redisUrl" .)
  "FAIRLEAD_REDIS_SECRET" (include "fairlead.redisSecret" .)
  "FAIRLEAD_S3_ENDPOINT" (include "fairlead.objectStoreEndpoint" .)
  "FAIRLEAD_S3_PUBLIC_ENDPOINT" .Values.objectStore.publicEndpoint
  "FAIRLEAD_S3_BUCKET" .Values.objectStore.bucket
  "FAIRLEAD_S3_REGION" .Values.objectStore.region
  "FAIRLEAD_S3_FORCE_PATH_STYLE" .Values.objectStore.forcePathStyle
  "FAIRLEAD_S3_SHARED" (not .Values.objectStore.embedded)
  "FAIRLEAD_S3_SECRET" (include "fairlead.objectStoreSecret" .)
  "FAIRLEAD_SIGNING_SECRET" (include "fairlead.signingSecret" .)
  "FAIRLEAD_API_KEY_SECRET" (include "fairlead.apiKeySecret" .)
  "FAIRLEAD_API_KEY_NAMESPACE" (include "fairlead.testNamespace" .)
  "FAIRLEAD_LOG_LEVEL" .Values.logLevel
  "FAIRLEAD_MAX_DURATION_SECONDS" (int .Values.defaults.maxDurationSeconds)
  "FAIRLEAD_START_TIMEOUT_SECONDS" (int .Values.defaults.startTimeoutSeconds)
  "FAIRLEAD_RUNTIME_IMAGE" (include "fairlead.runtimeImage" .)
  "FAIRLEAD_POD_POLICY" (toJson .Values.podPolicy)
}}
{{- range $name, $value := $env }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}

{{/* How the operator's processes are asked for their health. */}}
{{- define "fairlead.operatorProbes" -}}
startupProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 2
  timeoutSeconds: 5
{{- end }}

{{/*
The Secret as a volume, next to the environment that is made of it: a pod that waits for the controller to make the
Secret then starts about a second after that. With the environment alone the kubelet looks again after ten. Takes the
Secret's name.
*/}}
{{- define "fairlead.secretVolume" -}}
- { name: credentials, secret: { secretName: {{ . }}, defaultMode: 0440 } }
{{- end }}

{{- define "fairlead.secretMount" -}}
- { name: credentials, mountPath: /run/secrets/fairlead, readOnly: true }
{{- end }}
