//! The derived column `function_id`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::rows::columns::WordColumn;
use crate::schema::FUNCTION_ID;

/// `namespace/name` from the two columns.
pub(in crate::sql) static FUNCTION_ID_OF: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(FunctionIdOf::new())));

#[derive(Debug, PartialEq, Eq, Hash)]
struct FunctionIdOf {
    signature: Signature,
}

impl FunctionIdOf {
    fn new() -> Self {
        FunctionIdOf {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for FunctionIdOf {
    fn name(&self) -> &'static str {
        FUNCTION_ID
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [namespace, function] = columns.as_slice() else {
            return exec_err!("{FUNCTION_ID} takes a namespace and a name");
        };
        Ok(ColumnarValue::Array(join(namespace, function)?))
    }
}

/// Rows come in runs of the same function, so the text is made once per run.
fn join(namespace: &ArrayRef, function: &ArrayRef) -> Result<ArrayRef> {
    let namespace = arrow::compute::cast(namespace, &DataType::Utf8View)?;
    let function = arrow::compute::cast(function, &DataType::Utf8View)?;
    let (namespace, function) = (namespace.as_string_view(), function.as_string_view());
    let mut ids = WordColumn::new();
    let mut id = String::new();
    let mut last = ("", "");
    for row in 0..namespace.len() {
        let parts = (namespace.value(row), function.value(row));
        if row == 0 || parts != last {
            id.clear();
            id.push_str(parts.0);
            id.push('/');
            id.push_str(parts.1);
            last = parts;
        }
        ids.push_required(&id);
    }
    Ok(arrow::compute::cast(&ids.finish()?, &DataType::Utf8View)?)
}
