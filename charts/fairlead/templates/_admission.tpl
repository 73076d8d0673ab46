{{/*
What each of the policies in admission.yaml demands. `it`: the object as it is, or as it is to be created; whoever could
relabel an object could make it his own.
*/}}

{{/* Whether there is an admission policy; `auto`: where the API server has the kind, and nothing of the cluster is to be avoided. */}}
{{- define "fairlead.admissionPolicy" -}}
{{- $enabled := .Values.admissionPolicy.enabled | toString -}}
{{- $known := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") $known (not .Values.watchNamespaces)) -}}
true
{{- end -}}
{{- end }}

{{- define "fairlead.admission.it" -}}
- { name: it, expression: 'request.operation == "CREATE" ? object : oldObject' }
- name: labels
  expression: variables.it.metadata.?labels.orValue({})
- name: isOurs
  expression: variables.labels[?"app.kubernetes.io/managed-by"].orValue("") == "fairlead"
{{- end }}

{{- define "fairlead.admission.jobs" -}}
{{- $root := . -}}
variables:
  {{- include "fairlead.admission.it" . | nindent 2 }}
  - { name: creates, expression: 'request.operation == "CREATE"' }
  - { name: pod, expression: variables.it.spec.template.spec }
  - { name: volumes, expression: 'variables.pod.?volumes.orValue([])' }
  - { name: sources, expression: 'variables.volumes.filter(v, has(v.projected)).map(v, v.projected.?sources.orValue([]))' }
  - { name: account, expression: 'variables.pod.?serviceAccountName.orValue("")' }
  - { name: env, expression: 'variables.pod.containers.map(c, c.?env.orValue([]))' }
  - { name: envFrom, expression: 'variables.pod.containers.map(c, c.?envFrom.orValue([]))' }
validations:
  - message: "of a Job only spec.activeDeadlineSeconds is changed"
    expression: >-
      request.operation != "UPDATE" || (object.metadata.?labels == oldObject.metadata.?labels &&
      object.metadata.?annotations == oldObject.metadata.?annotations &&
      object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences &&
      object.metadata.?finalizers == oldObject.metadata.?finalizers &&
      object.spec.template == oldObject.spec.template && object.spec.?parallelism == oldObject.spec.?parallelism &&
      object.spec.?completions == oldObject.spec.?completions && object.spec.?suspend == oldObject.spec.?suspend)
  - message: "the Job is not one of a TaskRun: it needs a TaskRun as its controller, and the labels of Fairlead"
    expression: >-
      variables.isOurs && "fairlead.dev/run" in variables.labels &&
      variables.it.metadata.?ownerReferences.orValue([]).exists(o,
        o.apiVersion.startsWith("fairlead.dev/") && o.kind == "TaskRun" && o.?controller.orValue(false))
  - message: "this namespace executes no runs (podPolicy.closedNamespaces, podPolicy.releaseNamespace)"
    expression: '!variables.creates || !{{ include "fairlead.celClosed" . }}'
  - message: "the pod has something of its host"
    expression: >-
      !variables.creates || (!variables.pod.?hostNetwork.orValue(false) && !variables.pod.?hostPID.orValue(false) &&
      !variables.pod.?hostIPC.orValue(false) && !has(variables.pod.nodeName) &&
      variables.pod.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0)))
  - message: "the pod must have one container, with no privileges"
    expression: >-
      !variables.creates || (size(variables.pod.containers) == 1 && size(variables.pod.?initContainers.orValue([])) == 0 &&
      variables.pod.containers.all(c, has(c.securityContext) &&
        !c.securityContext.?privileged.orValue(false) &&
        !c.securityContext.?allowPrivilegeEscalation.orValue(true) &&
        c.securityContext.?capabilities.?drop.orValue([]).exists(d, d == "ALL") &&
        size(c.securityContext.?capabilities.?add.orValue([])) == 0 &&
        !has(c.securityContext.procMount) && !has(c.securityContext.seLinuxOptions) && !has(c.securityContext.windowsOptions) &&
        !has(c.securityContext.seccompProfile) && !has(c.securityContext.appArmorProfile) &&
        !has(c.securityContext.runAsUser) && !has(c.securityContext.runAsNonRoot)))
  - message: "the pod's security context is not a restricted one"
    expression: >-
      !variables.creates || (has(variables.pod.securityContext) &&
      variables.pod.securityContext.?seccompProfile.?type.orValue("") in ["RuntimeDefault", "Localhost"] &&
      variables.pod.securityContext.?appArmorProfile.?type.orValue("") != "Unconfined" &&
      size(variables.pod.securityContext.?sysctls.orValue([])) == 0 &&
      !has(variables.pod.securityContext.seLinuxOptions) && !has(variables.pod.securityContext.windowsOptions))
  - message: "the pod may run as root (podPolicy.runAsRoot)"
    expression: >-
      !variables.creates || (variables.pod.securityContext.?runAsNonRoot.orValue(false) &&
      variables.pod.securityContext.?runAsUser.orValue(1) != 0) ||
      {{ include "fairlead.celAllowed" (dict "root" . "field" "runAsRoot" "as" "fairlead.celFlag") }}
  - message: "the pod has a service account that is not allowed (podPolicy.serviceAccounts)"
    expression: >-
      !variables.creates || (variables.account == "" && !variables.pod.?automountServiceAccountToken.orValue(true)) ||
      {{ include "fairlead.celName" (dict "root" . "field" "serviceAccounts" "name" "variables.account") }}
  - message: "the pod has a volume of a type that is not allowed (podPolicy.volumeTypes)"
    expression: >-
      !variables.creates || variables.volumes.all(v, (v.name.startsWith("fairlead-") && (has(v.emptyDir) || has(v.projected))) ||
      {{ include "fairlead.celAllowed" (dict "root" . "field" "volumeTypes" "name" "v" "as" "fairlead.celVolume") }})
  - message: "the pod has a projected volume, or a token for an audience, that is not allowed (podPolicy.tokenAudiences)"
    expression: >-
      !variables.creates || variables.sources.all(s, s.all(p, has(p.secret) || has(p.configMap) || has(p.downwardAPI) || (has(p.serviceAccountToken) && (
      p.serviceAccountToken.?audience.orValue("") == "fairlead" ||
      {{ include "fairlead.celName" (dict "root" . "field" "tokenAudiences" "name" "p.serviceAccountToken.?audience.orValue(\"\")") }}))))
  - message: "the pod uses a Secret that is not allowed (podPolicy.secrets)"
    expression: >-
      !variables.creates || (variables.env.all(l, l.all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef) ||
      {{ include "fairlead.celSecret" (dict "root" $root "name" "e.valueFrom.secretKeyRef.name") }})) &&
      variables.envFrom.all(l, l.all(e, !has(e.secretRef) ||
      {{ include "fairlead.celSecret" (dict "root" $root "name" "e.secretRef.name") }})) &&
      variables.volumes.all(v, !has(v.secret) ||
      {{ include "fairlead.celSecret" (dict "root" $root "name" "v.secret.?secretName.orValue(\"\")") }}) &&
      variables.sources.all(s, s.all(p, !has(p.secret) ||
      {{ include "fairlead.celSecret" (dict "root" $root "name" "p.secret.?name.orValue(\"\")") }})) &&
      variables.pod.?imagePullSecrets.orValue([]).all(p,
      {{ include "fairlead.celSecret" (dict "root" $root "name" "p.?name.orValue(\"\")") }}))
  - message: "the pod uses a ConfigMap that is not allowed (podPolicy.configMaps)"
    expression: >-
      !variables.creates || (variables.env.all(l, l.all(e, !has(e.valueFrom) || !has(e.valueFrom.configMapKeyRef) ||
      {{ include "fairlead.celConfigMap" (dict "root" $root "name" "e.valueFrom.configMapKeyRef.name") }})) &&
      variables.envFrom.all(l, l.all(e, !has(e.configMapRef) ||
      {{ include "fairlead.celConfigMap" (dict "root" $root "name" "e.configMapRef.name") }})) &&
      variables.volumes.all(v, !has(v.configMap) ||
      {{ include "fairlead.celConfigMap" (dict "root" $root "name" "v.configMap.?name.orValue(\"\")") }}) &&
      variables.sources.all(s, s.all(p, !has(p.configMap) ||
      {{ include "fairlead.celConfigMap" (dict "root" $root "name" "p.configMap.?name.orValue(\"\")") }})))
  - message: "the pod uses a PersistentVolumeClaim that is not allowed (podPolicy.persistentVolumeClaims)"
    expression: >-
      !variables.creates || variables.volumes.all(v, !has(v.persistentVolumeClaim) ||
      {{ include "fairlead.celName" (dict "root" . "field" "persistentVolumeClaims" "name" "v.persistentVolumeClaim.claimName") }})
  - message: "the pod has a priority class that is not allowed (podPolicy.priorityClasses)"
    expression: >-
      !variables.creates || !has(variables.pod.priorityClassName) ||
      {{ include "fairlead.celName" (dict "root" . "field" "priorityClasses" "name" "variables.pod.priorityClassName") }}
  - message: "the pod has a runtime class that is not allowed (podPolicy.runtimeClasses)"
    expression: >-
      !variables.creates || !has(variables.pod.runtimeClassName) ||
      {{ include "fairlead.celName" (dict "root" . "field" "runtimeClasses" "name" "variables.pod.runtimeClassName") }}
{{- end }}

{{/* To end a pod is all that is done to it. */}}
{{- define "fairlead.admission.pods" -}}
variables:
  {{- include "fairlead.admission.it" . | nindent 2 }}
validations:
  - message: "the pod is not one of a TaskRun"
    expression: request.operation == "UPDATE" && variables.isOurs && "fairlead.dev/run" in variables.labels
  - message: "of a pod only its annotations and spec.activeDeadlineSeconds are changed"
    expression: >-
      request.operation != "UPDATE" || (object.metadata.?labels == oldObject.metadata.?labels &&
      object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences &&
      object.metadata.?finalizers == oldObject.metadata.?finalizers &&
      object.spec.containers == oldObject.spec.containers &&
      object.spec.?initContainers == oldObject.spec.?initContainers &&
      object.spec.?tolerations == oldObject.spec.?tolerations &&
      object.spec.?schedulingGates == oldObject.spec.?schedulingGates)
{{- end }}

{{/* The versions of Tasks: with one of a DaemonSet, other code runs on every node. */}}
{{- define "fairlead.admission.versions" -}}
variables:
  {{- include "fairlead.admission.it" . | nindent 2 }}
validations:
  - message: "the ControllerRevision is not a version of a Task"
    expression: >-
      variables.isOurs && "fairlead.dev/task" in variables.labels &&
      (request.operation != "CREATE" || size(object.metadata.?ownerReferences.orValue([])) == 0)
  - message: "of a ControllerRevision only its owner is taken away"
    expression: >-
      request.operation != "UPDATE" || (object.metadata.?labels == oldObject.metadata.?labels &&
      size(object.metadata.?ownerReferences.orValue([])) == 0)
{{- end }}

{{- define "fairlead.admission.leases" -}}
validations:
  - message: "the Lease is not one of Fairlead"
    expression: >-
      request.operation != "DELETE" && (object.metadata.name == "fairlead-owner" ||
      (request.namespace == {{ toJson .Release.Namespace }} && object.metadata.name == {{ include "fairlead.fullname" . | printf "%s-controller" | toJson }}))
{{- end }}

{{- define "fairlead.admission.secrets" -}}
{{- $own := list (include "fairlead.redisSecret" .) (include "fairlead.objectStoreSecret" .) (include "fairlead.signingSecret" .) -}}
{{- $own = concat $own (list (include "fairlead.apiKeySecret" .) (include "fairlead.apiKeysSecret" .)) -}}
validations:
  - message: "the Secret is not one of Fairlead"
    expression: >-
      request.operation != "DELETE" && (object.metadata.name == "fairlead-env" ||
      (request.operation == "CREATE" && request.namespace == {{ toJson .Release.Namespace }} && object.metadata.name in {{ $own | compact | uniq | toJson }}))
  - message: "a Secret of Fairlead has the type Opaque: one of a service account would get its token"
    expression: request.operation == "DELETE" || object.?type.orValue("Opaque") == "Opaque"
{{- end }}

{{- define "fairlead.admission.events" -}}
validations:
  - message: "the Event is not one of Fairlead"
    expression: >-
      (request.operation == "CREATE" ? object : oldObject).?source.?component.orValue("").startsWith("fairlead")
{{- end }}

{{/* Through the API one names a Task. */}}
{{- define "fairlead.admission.runs" -}}
validations:
  - message: "the API makes runs of Tasks only, and does not say what their pods are"
    expression: >-
      object.metadata.?labels[?"fairlead.dev/origin"].orValue("") == "api" &&
      !has(object.spec.container) && !has(object.spec.podTemplate)
{{- end }}

{{- define "fairlead.admission.batches" -}}
validations:
  - message: "the API makes runs of Tasks only, and does not say what their pods are"
    expression: >-
      (object.spec.?items.orValue([]) + (has(object.spec.defaults) ? [object.spec.defaults] : [])).all(i,
      !has(i.container) && !has(i.podTemplate))
  - message: "the API changes its own batches only"
    expression: >-
      (request.operation == "CREATE" ? object : oldObject).metadata.?labels[?"fairlead.dev/origin"].orValue("") == "api"
{{- end }}

{{/* Those of deployments, whose pods are as the pod policy has them. */}}
{{- define "fairlead.admission.tasks" -}}
validations:
  - message: "the API changes Tasks of deployments only"
    expression: >-
      "fairlead.dev/project" in (request.operation == "CREATE" ? object : oldObject).metadata.?labels.orValue({})
  - message: "the API does not say what the pods of a Task are"
    expression: >-
      request.operation == "DELETE" || (!has(object.spec.podTemplate) && !has(object.spec.allowOverrides)) ||
      (request.operation == "UPDATE" && object.spec.?podTemplate == oldObject.spec.?podTemplate &&
      object.spec.?allowOverrides == oldObject.spec.?allowOverrides)
{{- end }}
