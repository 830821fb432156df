//! The verbs on every resource of the registry's table.
// upstream: apiserver/pkg/endpoints/handlers

mod delete;
mod patch;
mod read;
mod watch;
mod write;

use registry::{Served, Target, Verb};

use crate::chain::ApiRequest;
use crate::respond::Handled;

/// Answers a request whose route is known to exist.
pub(crate) async fn serve(
    request: ApiRequest,
    target: Target,
    verb: Verb,
    served: Served,
) -> Handled {
    if served == Served::Server {
        return crate::virtual_resource::serve(request, target, verb).await;
    }
    match verb {
        Verb::Get => read::get(request, target).await,
        Verb::List => read::list(request, target).await,
        Verb::Watch => watch::watch(request, target).await,
        Verb::Create => write::create(request, target).await,
        Verb::Update => write::update(request, target).await,
        Verb::Patch => patch::patch(request, target).await,
        Verb::Delete => delete::delete(request, target).await,
        Verb::DeleteCollection => delete::delete_collection(request, target).await,
    }
}
